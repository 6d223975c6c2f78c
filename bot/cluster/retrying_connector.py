"""procrastinate's connector, with patience: while the database is out of reach, its worker waits in place of ending."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import psycopg
from procrastinate import PsycopgConnector, exceptions
from procrastinate.connector import Notify

log = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE_S = 0.5
CONNECTION_WITHIN_S = 3.0
"""As long as a statement waits for a connection of the pool; then it asks again, and the pool connects anew."""
RECONNECTS_FOR_S = 2.0
"""Then the pool gives a lost connection up, and the next statement brings a new one. Its own pauses would double for as
long as the database is away, and so would the wait after that."""
OUT_OF_REACH = (psycopg.OperationalError, psycopg.InterfaceError)
CONNECTIONS = 4
BY_INDEX = (
    "SET enable_seqscan = off; SET enable_sort = off; SET enable_hashjoin = off; SET enable_mergejoin = off;"
    " SET jit = off"  # it compiles what these make look costly: 300 ms for each question
)
"""An entry is found by the indexes, however many there are. PostgreSQL keeps the plan that it made when there were few,
and then knows little of the table: it would sort all entries to take one."""


class RetryingConnector(PsycopgConnector):
    """Asks again until the database answers. A question may so be done twice: entries that nobody carries are freed.

    However long the database was away, it is reached again within `CONNECTION_WITHIN_S` and what connecting takes.
    """

    def __init__(self, address: str) -> None:
        super().__init__(
            conninfo=address,
            min_size=1,
            max_size=CONNECTIONS,
            configure=_prepare,
            timeout=CONNECTION_WITHIN_S,
            reconnect_timeout=RECONNECTS_FOR_S,
        )

    async def execute_query_async(self, query: Any, **arguments: Any) -> None:
        await _until_answered(lambda: PsycopgConnector.execute_query_async(self, query, **arguments))

    async def execute_query_one_async(self, query: Any, **arguments: Any) -> dict[str, Any]:
        return await _until_answered(lambda: PsycopgConnector.execute_query_one_async(self, query, **arguments))

    async def execute_query_all_async(self, query: Any, **arguments: Any) -> list[dict[str, Any]]:
        return await _until_answered(lambda: PsycopgConnector.execute_query_all_async(self, query, **arguments))

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        names = list(channels)
        await _until_answered(lambda: PsycopgConnector.listen_notify(self, on_notification, names))


async def _prepare(connection: psycopg.AsyncConnection[Any]) -> None:
    """Each question is one statement, and so one way to the server and back."""
    await connection.set_autocommit(True)
    await connection.execute(BY_INDEX)


async def _until_answered(ask: Callable[[], Awaitable[T]]) -> T:
    tries = 0
    while True:
        try:
            return await ask()
        except exceptions.ConnectorException as error:
            if not isinstance(error.__cause__, OUT_OF_REACH):
                raise
            if not tries:
                log.warning("the queue of jobs is out of reach, asking again")
            tries += 1
            await asyncio.sleep(PAUSE_S)
