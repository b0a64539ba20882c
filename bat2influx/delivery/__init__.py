"""From the main loop to the database: no line is removed before the database has accepted it.

The path of a value: delivery.py (two threads: the keeper owns the spool, the sender does HTTP) ->
spool.py -> memory_queue.py while it is fresh, disk_queue.py after a second: two queues with the
same interface (line_queue.py). pacing.py decides when a request may be sent. reports.py logs
events of queue, disk and database; figures.py has the numbers that the main thread sees.

Rules: delivery is a transaction: `next_batch` shows, `settle` removes. Memory and disk are bounded;
at a bound the oldest lines are dropped and counted. disk_format.py describes the format of the file
and its recovery, disk_lines.py how lines are stored, salvage.py what happens to a damaged file, and
disk_recovery.py how it is read without SQLite. Start with spool.py.
"""
