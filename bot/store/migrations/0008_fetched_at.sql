-- SQLite took a text where the time of `fetched_at` belongs, and sorts every text behind every number.

UPDATE jobs SET fetched_at = state_at WHERE fetched_at > 9000000000000000000;
