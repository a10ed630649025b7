# SPDX-License-Identifier: Apache-2.0
"""What cannot run twice: its old instance ends before the new one starts, on the way back too, and
what is open at it is not waited for long."""
import contextlib

import pytest

from rig.client import Client, WebSocket
from rig.system import routed, sleeper
from test_deploy import PORT, app, deploy, rollout, shop, visit, wait_all

RECREATE = {"strategy": "recreate"}
SOON = {"health": {"path": "/health", "port": 8000, "interval": "300ms", "start_period": "2s"}}
LOCKED = "exec 9>/shared/lock; flock -n 9 || exit 8; exec python3 /srv/hostile.py 8000"


def in_one_network(mode):
    """Both versions listen on port 8000 of the same network."""
    def file(version, **environment):
        return routed({"web": app(version, environment=environment, network_mode=mode),
                       "other": sleeper()}, http=PORT, https=0)
    return file


@pytest.mark.parametrize("mode", ["host", "service:other"])
def test_what_shares_one_network_with_the_old_version_is_recreated_and_that_is_said(system, mode):
    file = in_one_network(mode)
    system.file(file(1))
    deploy(system)
    system.file(file(2))
    plan = system.ok("deploy", "--dry-run").out
    assert "recreate" in plan and "share one network" in plan
    deploy(system)
    wait_all(2)
    system.file(file(3, CRASH_AT_START="1"))
    deploy(system, status=3)
    wait_all(2)


def locked(system, version, **options):
    """A version that does not start while another one runs."""
    folder = system.write("shared/.keep", "").parent
    folder.chmod(0o777)
    made = shop(version, RECREATE, volumes=[f"{folder}:/shared"], **options)
    made["services"]["web"]["x-ishizue"]["host"]["command"] = LOCKED
    return made


def test_the_way_back_of_what_is_recreated_ends_the_new_one_first(system):
    system.file(locked(system, 1))
    deploy(system)
    system.file(locked(system, 2, environment={"SICK": "no heart"}, x=SOON))
    failed = deploy(system, status=3)
    assert "no heart" in failed.err
    assert rollout(system)["why"].count("old release fails") == 0
    wait_all(1)
    system.file(locked(system, 3))
    deploy(system)
    system.ok("abort")
    wait_all(1)


def test_what_is_recreated_does_not_wait_long_for_open_streams(system):
    """Nobody answers meanwhile."""
    system.file(shop(1, RECREATE))
    deploy(system)
    with contextlib.closing(WebSocket(Client(PORT, host="st.localhost"))):
        system.file(shop(2, RECREATE))
        result = deploy(system)
    assert result.seconds < 20
    assert visit() == "2"


def test_what_is_stopped_does_not_wait_long_for_open_streams(system):
    system.file(shop(1))
    deploy(system)
    with contextlib.closing(WebSocket(Client(PORT, host="st.localhost"))):
        assert system.ok("stop", "web").seconds < 20
        system.ok("start", "web")
    with contextlib.closing(WebSocket(Client(PORT, host="st.localhost"))):
        assert system.ok("down").seconds < 20
