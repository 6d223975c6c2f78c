"""What each alert of deploy/alerts.yaml is to fire at, as series that a scrape of the bot would give."""

from __future__ import annotations

STEPS = 240
"""Of 30 s: two hours."""

FAIR = {
    "up": f"1x{STEPS}",
    "animate_build_info": f"1x{STEPS}",
    "process_start_time_seconds": f"-9000x{STEPS}",
    "animate_gateway_shards": f"2x{STEPS}",
    "animate_gateway_shards_connected": "2x20 1x1 2x218",
    'animate_first_answer_seconds_bucket{le="0.5"}': f"0+1x{STEPS}",
    'animate_first_answer_seconds_bucket{le="3"}': f"0+1x{STEPS}",
    'animate_first_answer_seconds_bucket{le="+Inf"}': f"0+1x{STEPS}",
    'animate_discord_requests_total{result="429"}': f"0+1x{STEPS}",
    'animate_circuits{provider="p", state="open"}': f"0x{STEPS}",
    'animate_job_transitions_total{provider="p", state="unknown"}': f"0x{STEPS}",
    'animate_job_transitions_total{provider="p", state="submitting"}': f"0+1x{STEPS}",
    'animate_job_failures_total{provider="p", reason="provider"}': f"0+0.1x{STEPS}",
    'animate_job_failures_total{provider="p", reason="moderated"}': f"0+0.9x{STEPS}",
    "animate_queue_oldest_seconds": f"600x{STEPS}",
    "animate_budget_used_credits": f"800x{STEPS}",
    "animate_budget_limit_credits": f"1000x{STEPS}",
    'animate_jobs{state="undelivered"}': "0x20 1x20 0x199",
    "animate_database_up": f"1x{STEPS}",
    'animate_database_batch_seconds_bucket{le="0.05"}': f"0+9x{STEPS}",
    'animate_database_batch_seconds_bucket{le="2.5"}': f"0+9x{STEPS}",
    'animate_database_batch_seconds_bucket{le="+Inf"}': f"0+9x{STEPS}",
    "animate_database_failures_total": "0x20 1x220",
    "animate_backup_every_seconds": f"1800x{STEPS}",
    "animate_backup_last_timestamp_seconds": "-600x120 3000x120",
    "animate_disk_free_bytes": f"5000000000x{STEPS}",
    'animate_event_loop_lag_seconds_bucket{le="0.05"}': f"0+60x{STEPS}",
    'animate_event_loop_lag_seconds_bucket{le="2.5"}': f"0+60x{STEPS}",
    'animate_event_loop_lag_seconds_bucket{le="+Inf"}': f"0+60x{STEPS}",
    "animate_clock_ahead_seconds": f"1x{STEPS}",
}
"""Two hours in which nobody is to be called, with what passes by itself."""

UNKNOWN = 'animate_job_transitions_total{provider="p", state="unknown"}'
FAULTS: dict[str, tuple[str, dict[str, str]]] = {
    "the bot is stopped": ("AnimateDown", {"animate_build_info": "1x100 _x140"}),
    "it is stopped and its port closed": ("AnimateDown", {"animate_build_info": "1x100 _x140", "up": "1x100 0x140"}),
    "one of its processes is stopped": ("AnimateDown", {'up{process="2"}': "1x100 0x140"}),
    "it starts again and again": (
        "AnimateRestarting", {"process_start_time_seconds": "0x220 6600x6 6780x6 6960x8"},
    ),
    "a shard hears nothing": ("AnimateNotConnected", {"animate_gateway_shards_connected": "2x200 1x40"}),
    "no shard was ever connected": (
        "AnimateNotConnected", {"animate_gateway_shards": "0x240", "animate_gateway_shards_connected": "0x240"},
    ),
    "answers are slow": ("AnimateAnswersSlow", {'animate_first_answer_seconds_bucket{le="0.5"}': "0x240"}),
    "Discord refuses much": ("AnimateRateLimited", {'animate_discord_requests_total{result="429"}': "0+30x240"}),
    "a circuit is open": (
        "AnimateProviderStopped", {'animate_circuits{provider="p", state="open"}': "0x200 1x40"},
    ),
    "an answer was lost": ("AnimateOutcomeUnknown", {UNKNOWN: "0x200 1x40"}),
    "a start found a lost answer": (
        "AnimateOutcomeUnknown", {UNKNOWN: "_x200 1x40", "process_start_time_seconds": "-9000x200 6000x40"},
    ),
    "videos fail": (
        "AnimateVideosFail", {'animate_job_failures_total{provider="p", reason="provider"}': "0+0.5x240"},
    ),
    "the queue stands": ("AnimateQueueSlow", {"animate_queue_oldest_seconds": "0+60x240"}),
    "the budget is nearly spent": ("AnimateBudgetNearlySpent", {"animate_budget_used_credits": "800x200 950x40"}),
    "videos stay here": ("AnimateUndelivered", {'animate_jobs{state="undelivered"}': "0x100 1x140"}),
    "the database is silent": ("AnimateDatabaseDown", {"animate_database_up": "1x200 0x40"}),
    "the database cannot be written": ("AnimateDatabaseDown", {"animate_database_failures_total": "0x220 1+1x20"}),
    "no backup was ever made": ("AnimateBackupOld", {"animate_backup_last_timestamp_seconds": "0x240"}),
    "backups are not made any more": ("AnimateBackupOld", {"animate_backup_last_timestamp_seconds": "-600x240"}),
    "the database is slow": (
        "AnimateDatabaseSlow", {'animate_database_batch_seconds_bucket{le="0.05"}': "0x240"},
    ),
    "the disk fills up": ("AnimateDiskFull", {"animate_disk_free_bytes": "5000000000x200 400000000x40"}),
    "the loop is late": (
        "AnimateLoopSlow", {'animate_event_loop_lag_seconds_bucket{le="0.05"}': "0x240"},
    ),
    "the clock is set wrong": ("AnimateClockWrong", {"animate_clock_ahead_seconds": "1x100 -90x140"}),
}  # fmt: skip
"""By what happens: the one alert that fires for it at the end of the two hours, and what differs from fair."""
