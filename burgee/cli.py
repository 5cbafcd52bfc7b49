"""The `burgee` command: read settings, set up logs, run a topology.

Every sub-command reads its settings first and ends with status 2 when one is faulty, before anything
starts. What runs is imported by the command that runs it.
"""

import os
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

import typer
import uvloop

from burgee.checks.findings import good
from burgee.settings import PROCESSES, MigrateSettings, PartyIshSettings, PartySettings, every_name
from common.errors import Mendable
from common.observability import set_up_logs
from common.settings import ServingSettings, Settings, SettingsInvalid, load
from dacha.settings import DachaSettings
from edge.settings import EdgeSettings
from edge_rest.settings import EdgeRestSettings
from mr.settings import MrSettings

FAILED = 1
FAULTY_SETTINGS = 2
NO_OPTIONS: Mapping[str, str] = MappingProxyType({})

S = TypeVar("S", bound=Settings)
T = TypeVar("T")

app = typer.Typer(
    name="burgee",
    help="A feature-flag platform. Settings are BURGEE_* environment variables: see `burgee check`.",
    no_args_is_help=True,
    add_completion=False,
    # Its tracebacks would show local variables, passwords among them.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


audit = typer.Typer(help="Look after the audit.", no_args_is_help=True)
app.add_typer(audit, name="audit")
admin = typer.Typer(help="Look after who may sign in.", no_args_is_help=True)
app.add_typer(admin, name="admin")


class Process(StrEnum):
    """The processes that have settings."""

    PARTY = "party"
    PARTY_ISH = "party-ish"
    MR = "mr"
    DACHA = "dacha"
    EDGE = "edge"
    EDGE_REST = "edge-rest"


class Fill(StrEnum):
    """What a Dacha loads at its start."""

    LAZY = "lazy"
    EAGER = "eager"


KINDS = {kind.process: kind for kind in PROCESSES}


def main() -> None:
    """Run the command line; the process's exit status says how it went."""
    app()


@app.command()
def party(
    demo: Annotated[
        bool, typer.Option("--demo", help="Make an example organisation, and print how to try it.")
    ] = False,
) -> None:
    """Run everything in one process: management, cache and Edge. The way to start."""
    settings = _settings(PartySettings)
    from burgee.topologies.party import run_party

    _run(run_party(settings, demo=demo))


@app.command("party-ish")
def party_ish() -> None:
    """Run management and a polling-only Edge in one process."""
    settings = _settings(PartyIshSettings)
    from burgee.topologies.party_ish import run_party_ish

    _run(run_party_ish(settings))


@app.command()
def mr() -> None:
    """Run the Management Repository alone."""
    settings = _settings(MrSettings)
    from burgee.topologies.mr import run_mr

    _run(run_mr(settings))


@app.command()
def dacha(
    fill: Annotated[
        Fill | None, typer.Option(help="What is loaded at the start; by default the setting BURGEE_FILL.")
    ] = None,
) -> None:
    """Run Dacha2, the cache between MR and Edge, alone."""
    settings = _settings(DachaSettings, {} if fill is None else {"BURGEE_FILL": fill.value})
    from burgee.topologies.dacha import run_dacha

    _run(run_dacha(settings))


@app.command()
def edge(
    workers: Annotated[
        int | None,
        typer.Option(help="How many processes share the port; by default the setting BURGEE_EDGE_WORKERS."),
    ] = None,
) -> None:
    """Run Edge, what SDKs talk to, alone."""
    settings = _settings(EdgeSettings, {} if workers is None else {"BURGEE_EDGE_WORKERS": str(workers)})
    from burgee.topologies.edge import run_edge

    _run(run_edge(settings))


@app.command("edge-worker", hidden=True)
def edge_worker(place: Annotated[str, typer.Argument(help="What `burgee edge` says.")]) -> None:
    """Be one of several workers; started by `burgee edge` and by nobody else."""
    settings = _settings(EdgeSettings)
    from burgee.topologies.edge import run_edge_worker

    _run(run_edge_worker(settings, place))


@app.command("edge-rest")
def edge_rest() -> None:
    """Run a polling-only Edge straight on the database."""
    settings = _settings(EdgeRestSettings)
    from burgee.topologies.edge_rest import run_edge_rest

    _run(run_edge_rest(settings))


@app.command()
def migrate() -> None:
    """Bring the database to this release's schema, and end."""
    settings = _settings(MigrateSettings)
    from mr.db.migrate import upgrade

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    _run(upgrade(settings.database_address()))
    typer.echo("The database has this release's schema.")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it; - is the standard output.")],
) -> None:
    """Write the whole database into one file, from one moment, while servers go on working.

    The file holds every secret that the database holds.
    """
    settings = _settings(MigrateSettings)
    from mr.db.backup import back_up

    with _telling():
        done = back_up(settings.database_address(), file)
    typer.echo(f"Backed up {done.rows} rows.", err=True)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="The backup; - is the standard input.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the data that the database holds.")] = False,
) -> None:
    """Put a backup in the place of the database's content; all servers must be stopped."""
    settings = _settings(MigrateSettings)
    from mr.db.backup import restore as put_back

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with _telling():
        done = put_back(settings.database_address(), file, force=force)
    typer.echo(f"Restored {done.rows} rows, as they were at {done.header.made:%Y-%m-%d %H:%M:%S} UTC.")


@audit.command("verify")
def verify_audit(
    known: Annotated[
        str | None,
        typer.Option(help="An earlier answer, POSITION:HASH: the chain must still go through it."),
    ] = None,
) -> None:
    """Prove that nobody changed or removed what the audit has sealed, while servers go on working."""
    settings = _settings(MigrateSettings)
    from mr.audit.proof import prove

    _tell(*_run(prove(settings.database_address(), known=known)))


@admin.command("recover")
def recover_admin(
    email: Annotated[
        str | None, typer.Argument(help="Whom to let in; not needed when there is one superuser.")
    ] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new password as well.")] = False,
) -> None:
    """Let a superuser in again: prints a link that works once, for a quarter of an hour.

    Makes the person a superuser and active if they are not, and ends all their sessions. For whoever has
    the database; on SQLite the server must be stopped meanwhile.
    """
    settings = _settings(PartySettings)
    from mr.signin.recovery import recover

    new = typer.prompt("New password", hide_input=True, confirmation_prompt=True) if password else None
    done = _run(recover(settings, email, new))
    base = settings.public_address()
    if done.promoted:
        typer.echo(f"{done.email} is a superuser now.", err=True)
    if done.password_set and not settings.local_sign_in:
        typer.echo("The password counts only with BURGEE_LOCAL_SIGN_IN=true.", err=True)
    typer.echo(f"{base}/login#code={done.code}")
    typer.echo(
        "Or without a browser, for a token: curl -H 'content-type: application/json' "
        f'-d \'{{"code":"{done.code}"}}\' {base}/mr-api/burgee/sign-in-code',
        err=True,
    )


@app.command()
def seed(
    url: Annotated[str | None, typer.Option(help="The running server; the settings' own by default.")] = None,
) -> None:
    """Make the example organisation on a running server, and print how to try it."""
    settings = _settings(PartySettings)
    from burgee.seed import seed as make

    base = url or settings.public_url or f"http://127.0.0.1:{settings.port}"
    typer.echo(_run(make(base, settings.data_dir)).instructions())


@app.command()
def check(
    process: Annotated[Process, typer.Argument(help="Whose settings.")] = Process.PARTY,
    json: Annotated[bool, typer.Option("--json", help="Print it for programs.")] = False,
    settings_reference: Annotated[
        bool, typer.Option("--settings-reference", help="Print the reference of every setting instead.")
    ] = False,
    operations_reference: Annotated[
        bool, typer.Option("--operations-reference", help="Print the reference of every operation instead.")
    ] = False,
    objects_reference: Annotated[
        bool, typer.Option("--objects-reference", help="Print the reference of their objects instead.")
    ] = False,
    metrics_reference: Annotated[
        bool, typer.Option("--metrics-reference", help="Print the reference of every metric instead.")
    ] = False,
) -> None:
    """Check what a process would find: settings, disk, database, bus, clocks, versions, neighbours.

    Changes nothing, and may be run beside what runs. Each line says ok, warn or FAIL, and what to do;
    the status is 1 when something fails.
    """
    from burgee import api_reference, reference

    if settings_reference:
        typer.echo(reference.settings_reference(), nl=False)
        return
    if operations_reference:
        typer.echo(_run(api_reference.operations_reference()), nl=False)
        return
    if objects_reference:
        typer.echo(_run(api_reference.objects_reference()), nl=False)
        return
    if metrics_reference:
        from burgee import metrics_reference as metrics

        # What the processes that are opened for it have to say goes nowhere near the document.
        set_up_logs(level="error")
        typer.echo(_run(metrics.metrics_reference()), nl=False)
        return
    from burgee.checks.report import as_json, as_lines
    from burgee.checks.run import examine

    try:
        settings = load(KINDS[process.value], os.environ, known=every_name())
    except SettingsInvalid as invalid:
        told = as_json(process.value, invalid.faults) if json else "\n".join(map(str, invalid.faults))
        typer.echo(told, err=not json)
        raise typer.Exit(FAULTY_SETTINGS) from None
    set_up_logs(level="error", form=settings.log_format)
    found = _run(examine(settings))
    typer.echo(as_json(process.value, found, settings) if json else as_lines(found, settings))
    if not good(found):
        raise typer.Exit(FAILED)


@app.command()
def health(
    process: Annotated[
        Process | None,
        typer.Argument(help="Which process is asked; by default what this container runs, else party."),
    ] = None,
    url: Annotated[str | None, typer.Option(help="Where it is; by default on this machine's port.")] = None,
) -> None:
    """Ask the process on this machine whether it is ready; status 0 or 1, made for container probes."""
    from burgee.reachability import contained, readiness

    settings = _settings(KINDS[process.value if process else contained(KINDS) or Process.PARTY.value])
    assert isinstance(settings, ServingSettings)  # noqa: S101 - every process in PROCESSES serves
    _tell(*_run(readiness(settings, url=url)))


def _settings(kind: type[S], options: Mapping[str, str] = NO_OPTIONS) -> S:
    """Read the settings, options first, and set up the logs, or end with every fault on a line of its own."""
    try:
        settings = load(kind, {**os.environ, **options}, known=every_name())
    except SettingsInvalid as invalid:
        for fault in invalid.faults:
            typer.echo(str(fault), err=True)
        raise typer.Exit(FAULTY_SETTINGS) from None
    set_up_logs(level=settings.log_level, form=settings.log_format)
    return settings


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; what a person can mend is one line and status 1, anything else a traceback."""
    with _telling():
        return uvloop.run(work)


@contextmanager
def _telling() -> Iterator[None]:
    """Tell what a person can mend in one line each, and end with status 1."""
    try:
        yield
        return
    except Mendable as error:
        faults: Iterable[BaseException] = [error]
    except BaseExceptionGroup as group:
        told, bugs = group.split(Mendable)
        if told is None or bugs is not None:
            raise
        faults = _leaves(told)
    for fault in faults:
        typer.echo(str(fault), err=True)
    raise typer.Exit(FAILED)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _tell(good: bool, found: str) -> None:
    typer.echo(found, err=not good)
    if not good:
        raise typer.Exit(FAILED)
