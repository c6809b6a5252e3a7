"""What both front ends do with a request once they know who sent it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from attrs import frozen
from twisted.logger import Logger

from euca.clc.api import Cloud
from euca.clc.ec2 import Operation
from euca.clc.requests import Caller
from euca.store.accounts import Account
from euca.telemetry import trace
from euca.threads import Offload

log = Logger()


@frozen
class Front:
    """Carries out operations of the cloud; `new_request_id` makes the id of each request.

    Replies are made in the threads.
    """

    cloud: Cloud
    new_request_id: Callable[[], str]
    threads: Offload

    async def perform(
        self, operation: Operation, account: Account, request: Any, request_id: str
    ) -> Mapping[str, Any]:
        """Return the values of the reply; raises the CloudError that stops the operation."""
        with trace.correlated(request_id):
            log.info("{op} for {account}", op=operation.name, account=account.name)
            method = attrgetter(operation.method)(self.cloud)
            result = await method(Caller(account, request_id), request)
            # A list of all instances takes longer to tell than the reactor may wait.
            values = await self.threads.run(operation.reply, result)
            return {"requestId": request_id, **values}
