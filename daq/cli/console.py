"""`daq console`: the people who sign in at the console by password, and links that sign in once."""

from __future__ import annotations

import argparse
from pathlib import Path

_ROLES = ("viewer", "technologist", "qc", "physicist", "service")
_LINK_S = 30.0


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    from daq.cli.localsocket import add_place

    parser = nouns.add_parser("console", help="who may sign in at the console in the browser; links that sign in once")
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)
    link = verbs.add_parser("link", help="print a link that signs oneself in at the console, once")
    add_place(link)
    link.set_defaults(run=_link)
    user = verbs.add_parser("user", help="the people who sign in by password")
    _add_user_verbs(user.add_subparsers(metavar="COMMAND", required=True))


def _add_user_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = verbs.add_parser("add", help="add a user; the password is asked for twice")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--role", choices=_ROLES, required=True, help="what the user may do")
    _add_password(add)
    add.set_defaults(run=_add)
    password = verbs.add_parser("password", help="give a user another password; sessions of the user end")
    password.add_argument("name", metavar="NAME")
    _add_password(password)
    password.set_defaults(run=_password)
    role = verbs.add_parser("role", help="give a user another role, at once")
    role.add_argument("name", metavar="NAME")
    role.add_argument("--role", choices=_ROLES, required=True, help="what the user may do")
    _add_site(role)
    role.set_defaults(run=_role)
    remove = verbs.add_parser("remove", help="remove a user; sessions of the user end at once")
    remove.add_argument("name", metavar="NAME")
    _add_site(remove)
    remove.set_defaults(run=_remove)
    listed = verbs.add_parser("list", help="list the users and their roles")
    _add_site(listed)
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(run=_list)


def _add_site(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", metavar="FILE", help="site file; else $SCANDAQ_SITE, the user's, the machine's")


def _add_password(parser: argparse.ArgumentParser) -> None:
    _add_site(parser)
    parser.add_argument("--password-file", metavar="FILE", help="read the password from the first line of a file")


def _users_file(options: argparse.Namespace) -> Path:
    from daq.errors import RefusedError
    from daq.gateway.accounts import USERS_FILE
    from device_profiles.places import find_site
    from device_profiles.site import load_site

    site = load_site(Path(find_site(options.site)))
    path = site.console.users or site.state_folder / USERS_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise RefusedError(f"the folder {path.parent} cannot be made: {why.strerror}") from None
    return path


def _asked_password(options: argparse.Namespace) -> str:
    """Return a new password, from a file or asked for twice. Raise `UsageError` where there is no terminal."""
    import getpass
    import sys

    from daq.errors import MissingError, RefusedError, UsageError

    if options.password_file:
        try:
            return Path(options.password_file).read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
        except FileNotFoundError:
            raise MissingError(f"{options.password_file}: no such file") from None
        except (OSError, UnicodeDecodeError) as why:
            raise RefusedError(f"{options.password_file} cannot be read: {type(why).__name__}") from None
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for the password: give --password-file FILE")
    first = getpass.getpass(f"Password of {options.name}: ")
    if getpass.getpass("Once more: ") != first:
        raise RefusedError("the two passwords differ; nothing was changed")
    return first


def _add(options: argparse.Namespace) -> int:
    from daq.cli.output import print_line
    from daq.gateway.accounts import add_account, checked_name
    from daq.model.station import Role

    name = checked_name(options.name)
    add_account(_users_file(options), name, Role[options.role.upper()], _asked_password(options))
    print_line(f"{name} may sign in at the console as {options.role}")
    return 0


def _password(options: argparse.Namespace) -> int:
    from daq.cli.output import print_line
    from daq.gateway.accounts import change_account

    change_account(_users_file(options), options.name, password=_asked_password(options))
    print_line(f"{options.name} has another password; sessions with the old one end")
    return 0


def _role(options: argparse.Namespace) -> int:
    from daq.cli.output import print_line
    from daq.gateway.accounts import change_account
    from daq.model.station import Role

    change_account(_users_file(options), options.name, role=Role[options.role.upper()])
    print_line(f"{options.name} is {options.role} now")
    return 0


def _remove(options: argparse.Namespace) -> int:
    from daq.cli.output import print_line
    from daq.gateway.accounts import remove_account

    remove_account(_users_file(options), options.name)
    print_line(f"{options.name} may no longer sign in at the console")
    return 0


def _list(options: argparse.Namespace) -> int:
    from daq.cli.output import print_json, print_table
    from daq.gateway.accounts import load_accounts

    users = load_accounts(_users_file(options))
    rows = [{"user": name, "role": each.role.name.lower(), "since_utc": each.since_utc} for name, each in users.items()]
    if options.json:
        print_json({"users": rows})
    else:
        print_table("", ["user", "role", "password since"], [list(row.values()) for row in rows])
    return 0


def _link(options: argparse.Namespace) -> int:
    from daq.cli.localsocket import socket_of
    from daq.cli.output import print_json, print_line
    from daq.transports.localclient import ask_once

    told = ask_once(socket_of(options), "console-link", within_s=_LINK_S)
    if options.json:
        print_json(told)
    else:
        print_line(str(told["url"]))
    return 0
