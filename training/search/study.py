"""The study of a search: a database that several processes and machines may share, and what was asked of it."""

import json
import time
import warnings
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning, OptunaError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from emofusion.evaluation.run_files import STUDY_FILE
from emofusion.training.errors import ArgumentError

_SETTINGS = "settings"
# A trial under way tells the database every so many seconds that it lives; one that was silent for longer than the
# grace period counts as failed, whichever machine it ran on. Trials that others have under way are never touched.
HEARTBEAT_SECONDS, GRACE_SECONDS = 15, 120


def url_of(study: str | None, folder: Path) -> str:
    """The URL of the database: by default a file in the output folder."""
    return study or f"sqlite:///{(folder / STUDY_FILE).as_posix()}"


def without_password(url: str) -> str:
    """The URL as it may be shown.

    Raises:
        ArgumentError: Not a database's URL.
    """
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        message = "--study: not the URL of a database, such as mysql://user:password@host/name"
        raise ArgumentError(message) from error


def open_storage(url: str) -> RDBStorage:
    """The database of studies.

    Raises:
        ArgumentError: It cannot be reached, or what talks to it is not installed.
    """
    # Several processes write into one file: wait for each other instead of giving up after five seconds.
    engine = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {"pool_pre_ping": True}
    shown = without_password(url)
    try:
        try:
            return _storage(url, engine)
        except sqlalchemy.exc.DBAPIError:  # of two processes that begin at once, one finds tables half made
            time.sleep(2)
            return _storage(url, engine)
    except ImportError as error:
        raise ArgumentError(f"--study {shown}: {error}; install the driver of this kind of database") from error
    except (sqlalchemy.exc.SQLAlchemyError, OptunaError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ArgumentError(f"--study {shown}: cannot be opened as a database of studies: {reason}") from error


def _storage(url: str, engine: dict[str, Any]) -> RDBStorage:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats
        return RDBStorage(url, engine, heartbeat_interval=HEARTBEAT_SECONDS, grace_period=GRACE_SECONDS)


def open_study(storage: RDBStorage, name: str, settings: dict[str, Any], shown: str) -> tuple[optuna.Study, bool]:
    """The study of this name, and whether it is new.

    Args:
        storage (`RDBStorage`): Its database.
        name (`str`): Its name.
        settings (`dict`): What must be the same for all its trials.
        shown (`str`): How a message calls the database.

    Raises:
        ArgumentError: It was begun with other settings.
    """
    try:
        study, new = optuna.create_study(storage=storage, study_name=name, direction="maximize"), True
    except DuplicatedStudyError:
        study, new = optuna.load_study(storage=storage, study_name=name), False
    asked = json.loads(json.dumps(settings))
    begun = study.user_attrs.get(_SETTINGS)
    if begun is None and not study.trials:
        study.set_user_attr(_SETTINGS, asked)
    elif begun is None:
        raise ArgumentError(f"--study {shown}: its study {name!r} is not one of this command; choose a --study_name")
    else:
        _check_same(begun, asked, f"{shown}: its study {name!r}")
    return study, new


def _check_same(begun: dict[str, Any], asked: dict[str, Any], whose: str) -> None:
    for key in [*begun, *asked]:
        if begun.get(key) != asked.get(key):
            raise ArgumentError(
                f"--study {whose} was begun with {key} {begun.get(key, 'left out')}, now it is "
                f"{asked.get(key, 'left out')}; go on with the same settings and the same space, or name another "
                "--study_name or --output_dir"
            )


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that have a score."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
