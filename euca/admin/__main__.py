"""Administers an installation: `python -m euca.admin COMMAND --help`.

Exit status: 0 when the work is done, 1 when it could not be done (the message says why), 2 for a
command line that makes no sense.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from euca.admin import guest, installation, status
from euca.admin.ec2 import Ec2, Refused
from euca.admin.first import Cloud, Ended, state
from euca.admin.s3 import S3
from euca.auth.keyring import UnusableKey
from euca.config import Configuration, ConfigurationError, Layout

CONSOLE_LINES = 12
START_LIMIT = 60.0  # seconds for all components to be ready


class Failed(Exception):
    """The work could not be done; the message says why."""


def say(text: str) -> None:
    """Show one line of progress."""
    print(f"  {text}", flush=True)


def cloud_port(configuration: Configuration) -> int:
    """Return the port of the cloud controller."""
    return configuration.number("CLC_PORT", 8773)


def components(configuration: Configuration) -> list[status.Component]:
    """Return the components that the configuration speaks of."""
    listen = configuration.listen
    nodes = configuration.words("NODES")
    return [
        status.Component("clc", listen, cloud_port(configuration)),
        status.Component("cc", listen, configuration.number("CC_PORT", 8774)),
        *(status.Component("nc", node, configuration.number("NC_PORT", 8775)) for node in nodes),
    ]


def connect(configuration: Configuration) -> Cloud:
    """Return the cloud as its administrator sees it."""
    database = installation.open_database(configuration)
    try:
        found = installation.find_account(configuration, database, installation.ADMINISTRATOR)
    finally:
        database.stopService()
    if found is None:
        raise Failed("there is no administrator's account: run the command init first")
    base = f"http://{configuration.listen}:{cloud_port(configuration)}/services"
    ec2 = Ec2(f"{base}/Eucalyptus", found.access_key)
    return Cloud(configuration, found, ec2, S3(f"{base}/Walrus", found.access_key), say)


# Commands


def init(configuration: Configuration, options: argparse.Namespace) -> None:
    """Make keys, the administrator's account and the registrations; give nodes their keys."""
    layout, cluster = configuration.layout, options.cluster
    installation.make_cloud_keys(layout, say)
    installation.make_cluster_keys(layout, cluster, say)
    installation.give_cluster_keys(layout, cluster, layout)
    for root in options.node_root:
        installation.give_node_keys(layout, cluster, Layout(root))
    database = installation.open_database(configuration)
    try:
        installation.make_account(
            configuration, database, installation.ADMINISTRATOR, administrator=True
        )
        ports = (configuration.number("CC_PORT", 8774), cloud_port(configuration))
        listen = configuration.listen
        installation.register(database, cluster, listen, listen, ports)
    finally:
        database.stopService()


def credentials(configuration: Configuration, _options: argparse.Namespace) -> None:
    """Print the variables that tools of EC2, S3 and Eucalyptus read, for `eval`."""
    cloud = connect(configuration)
    found = cloud.credentials
    variables = {
        "EC2_URL": cloud.ec2.url,
        "S3_URL": cloud.s3.url,
        "EC2_ACCESS_KEY": found.access_key.identifier,
        "EC2_SECRET_KEY": found.access_key.secret,
        "EC2_CERT": found.certificate,
        "EC2_PRIVATE_KEY": found.key,
        "EUCALYPTUS_CERT": configuration.layout.keys / "cloud-cert.pem",
        "EC2_USER_ID": found.account.number,
        "AWS_ACCESS_KEY_ID": found.access_key.identifier,
        "AWS_SECRET_ACCESS_KEY": found.access_key.secret,
        "AWS_DEFAULT_REGION": "eucalyptus",
        "AWS_ENDPOINT_URL_EC2": cloud.ec2.url,
        "AWS_ENDPOINT_URL_S3": cloud.s3.url,
    }
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(str(value))}")


def wait(configuration: Configuration, _options: argparse.Namespace) -> None:
    """Wait until every component is ready for its work."""
    order = components(configuration)
    missing = status.wait([*order[1:], order[0]], START_LIMIT, say)
    if missing:
        raise Failed(f"not ready after {START_LIMIT:.0f} s:\n  " + "\n  ".join(missing))


def show_status(configuration: Configuration, _options: argparse.Namespace) -> None:
    """Show each component with its port and health, the nodes, and the instances."""
    healths = [status.ask(component) for component in components(configuration)]
    for health in healths:
        print("\n".join(status.lines(health)))
    if not healths[0].answers:
        raise Failed("the cloud controller does not answer")
    show_instances(connect(configuration))
    silent = [str(health.component) for health in healths if not health.answers]
    if silent:
        raise Failed(f"no answer from {', '.join(silent)}")


def show_instances(cloud: Cloud) -> None:
    """Show the instances that the account sees."""
    for found in cloud.instances():
        fields = ("instanceId", "imageId", "instanceType", "dnsName", "launchTime", "reason")
        shown = [found.text(name) for name in fields]
        print(f"INSTANCE {shown[0]}  {state(found):13} {'  '.join(shown[1:])}")


def build_guest(configuration: Configuration, _options: argparse.Namespace) -> None:
    """Build the guest's kernel, ramdisk and root file system."""
    made = guest.build(configuration.root / "guest", say)
    print(f"{made.kernel}\n{made.ramdisk}\n{made.root}")


def upload(configuration: Configuration, options: argparse.Namespace) -> None:
    """Bundle an image file, upload it and register it."""
    cloud = connect(configuration)
    cloud.s3.make_bucket(options.bucket)
    ids = {name: value for name in ("kernel", "ramdisk") if (value := getattr(options, name))}
    cloud.upload(options.file, options.bucket, **ids)
    location = f"{options.bucket}/{options.file.name}.manifest.xml"
    print(cloud.ec2.call("RegisterImage", ImageLocation=location).text("imageId"))


def first_instance(configuration: Configuration, _options: argparse.Namespace) -> None:
    """Register the guest, run one instance unless one runs, and show its console."""
    cloud = connect(configuration)
    image = cloud.image()
    cloud.key_pair()
    simulated = configuration.text("HYPERVISOR", "qemu") == "test"
    identifier, console = living_instance(cloud, image, simulated)
    if console:
        print(f"\nThe last lines of the console of {identifier}:\n")
        shown = console.splitlines()[-CONSOLE_LINES:]
        print("\n".join(f"  | {line}" for line in shown) + "\n")
    bridged = console and configuration.text("VNET_BRIDGE", "")
    address = cloud.wait_address(identifier) if bridged else ""
    show_instances(cloud)
    if simulated:
        say("libvirt's test driver runs no guest: there is no console, and nobody to log in to")
    elif address:
        print(f"\nLog in:  ssh -i {shlex.quote(str(cloud.key_file))} root@{address}")
    elif not configuration.text("VNET_BRIDGE", ""):
        say("without root the guest has a private network of QEMU: it can call, but not be called")
    elif bridged:
        say("the guest has no address yet: `./cloud status` shows it once it has")


def living_instance(cloud: Cloud, image: str, simulated: bool) -> tuple[str, str]:
    """Return an instance of the image that runs, and its console; one is started if need be.

    Where instances of other images run, one of them is returned, without its console.
    """

    def console(identifier: str) -> str:
        cloud.wait_running(identifier)
        return "" if simulated else cloud.wait_prompt(identifier)

    for found in (alive := cloud.alive()):
        if found.text("imageId") == image:
            identifier = found.text("instanceId")
            try:
                return identifier, console(identifier)
            except Ended as ended:
                say(str(ended))
    others = [found for found in alive if found.text("imageId") != image]
    if others:
        return others[0].text("instanceId"), ""
    identifier = cloud.start(image)
    return identifier, console(identifier)


def terminate_all(configuration: Configuration, _options: argparse.Namespace) -> None:
    """Terminate every instance, and wait until they are gone."""
    left = connect(configuration).terminate_all()
    if left:
        raise Failed(f"still there: {', '.join(left)}")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(prog="python -m euca.admin", description=__doc__)
    top.add_argument("--conf", type=Path, help="the configuration (default: that of $EUCALYPTUS)")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[..., None]) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        command.set_defaults(run=run)
        return command

    new = add("init", init)
    new.add_argument("--cluster", default="cluster1", help="its name (default: cluster1)")
    new.add_argument(
        "--node-root", type=Path, action="append", default=[], help="$EUCALYPTUS of a node"
    )
    add("credentials", credentials)
    add("wait", wait)
    add("status", show_status)
    add("guest-image", build_guest)
    image = add("upload", upload)
    image.add_argument("file", type=Path)
    image.add_argument("--bucket", required=True)
    image.add_argument("--kernel", help="the kernel's identifier, or `true` for a kernel")
    image.add_argument("--ramdisk", help="the ramdisk's identifier, or `true` for a ramdisk")
    add("first-instance", first_instance)
    add("terminate-all", terminate_all)
    return top


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    options = parser().parse_args(arguments)
    os.umask(0o077)
    try:
        configuration = Configuration.read(options.conf)
        options.run(configuration, options)
    except (ConfigurationError, Failed, Refused, UnusableKey, guest.CannotBuild, OSError) as error:
        print(f"euca.admin: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
