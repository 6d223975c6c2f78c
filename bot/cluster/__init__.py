"""Several processes that share a store on PostgreSQL: which of them carries a job, and what all of them agree on.

procrastinate decides who carries a job, and frees what a silent process carries. Nothing here makes that safe: each
move of a job is one compare-and-set in the store, and the intent of a create is there before the create leaves.
"""
