"""Configuration: the contract's section 3."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields

from processor.errors import ConfigError
from processor.hours import Daily, Hours
from processor.model import Secret
from processor.options import (
    Duration,
    Expression,
    PeopleOptions,
    Rate,
    RateField,
    RetryPolicy,
    SecretField,
    SinkOptions,
    SourceOptions,
)
from processor.settings import Settings, load, locate


class _Strict(SourceOptions):
    client_id = fields.String()
    rate_limits = fields.List(RateField(), load_default=[Rate(500, 60.0)])


class _Registers(SourceOptions):
    secret_from_registration = True


class _Mail(SinkOptions):
    to = fields.List(fields.String(), required=True)
    from_ = fields.String(data_key="from")
    password = SecretField()
    headers = fields.Dict(keys=fields.String(), values=fields.String())


SOON = 'must be a duration: seconds as a number, or a text such as "90s", "15m", "2h", "7d"'
PROVIDERS: dict[str, type[Schema]] = {"strict": _Strict, "registers": _Registers}
SINKS: dict[str, type[Schema]] = {"console": SinkOptions, "mail": _Mail, "people": PeopleOptions}


def _lookup(plugins: dict[str, type[Schema]], name: str) -> type[Schema]:
    if name not in plugins:
        raise LookupError(f"{name!r} is not there; installed: {', '.join(plugins)}")
    return plugins[name]


def read(path: Path | None, **environ: str) -> Settings:
    return load(
        path,
        environ,
        provider_options=lambda name: _lookup(PROVIDERS, name),
        sink_options=lambda name: _lookup(SINKS, name),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "jobwire.toml"


@pytest.fixture
def config(file: Path):
    def write(text: str, **environ: str) -> Settings:
        file.write_text(text)
        return read(file, **environ)

    return write


@pytest.fixture
def faults(config):
    """The faults of a text as {key: reason}."""

    def collect(text: str, **environ: str) -> dict[str, str]:
        with pytest.raises(ConfigError) as caught:
            config(text, **environ)
        return {fault.key: fault.reason for fault in caught.value.faults}

    return collect


# --- the file itself -------------------------------------------------------------------------------------------------


def test_a_missing_file_that_was_named_is_one_fault(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.toml: there is no such file"):
        read(tmp_path / "gone.toml")


def test_a_directory_is_one_fault(tmp_path):
    with pytest.raises(ConfigError, match="is a directory"):
        read(tmp_path)


def test_a_file_below_a_file_is_one_fault(file):
    file.touch()
    with pytest.raises(ConfigError, match="cannot be read"):
        read(file / "jobwire.toml")


def test_a_name_with_nul_is_one_fault():
    with pytest.raises(ConfigError, match="cannot be read"):
        read(Path("a\0b"))


def test_text_that_is_not_utf8_is_one_fault_with_its_place(file):
    file.write_bytes(b'[server]\nhost = "\xff"\n')
    with pytest.raises(ConfigError, match=r"is not UTF-8 \(byte 17\)"):
        read(file)


def test_broken_toml_is_one_fault_with_its_line(config):
    with pytest.raises(ConfigError, match=r"jobwire\.toml: is not TOML: .*line 2") as caught:
        config('[server]\nhost = "unclosed\n')
    assert len(caught.value.faults) == 1


def test_a_thousand_brackets_are_one_fault(config):
    with pytest.raises(ConfigError, match="cannot be read"):
        config("a = " + "[" * 5000)


@pytest.mark.parametrize("text", ["a" + ".a" * 3000 + " = 1", "[a" + ".a" * 3000 + "]"], ids=["a key", "a table"])
def test_a_thousand_dots_are_one_fault(config, text):
    with pytest.raises(ConfigError, match="nests too deep"):
        config(text)


def test_an_empty_file_is_the_built_in_defaults(config):
    nothing = read(None)
    assert nothing.file == "built-in defaults"
    assert nothing.sources == {}
    assert [(s.name, s.type, s.events, s.retry) for s in nothing.sinks.values()] == [
        ("console", "console", None, RetryPolicy(max_age=86400))
    ]
    assert (nothing.server.host, nothing.server.port, nothing.server.max_body) == ("127.0.0.1", None, 1024**2)
    assert nothing.server.admin_token is nothing.server.public_url is nothing.redis.url is None
    assert (nothing.retention.events, nothing.retention.dedup) == (30 * 86400, 7 * 86400)
    assert nothing.redis.wait_replicas == 0
    assert nothing.alarms.source_silent is nothing.alarms.rejections is None
    empty = config("")
    assert (empty.server, empty.redis, empty.retention) == (nothing.server, nothing.redis, nothing.retention)


def test_the_file_is_the_one_named_else_of_the_environment_else_here_else_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert locate(None, {}) is None
    assert locate(None, {"JOBWIRE_CONFIG": ""}) is None
    Path("jobwire.toml").touch()
    assert locate(None, {}) == Path("jobwire.toml")
    assert locate(None, {"JOBWIRE_CONFIG": "other.toml"}) == Path("other.toml")
    assert locate("named.toml", {"JOBWIRE_CONFIG": "other.toml"}) == Path("named.toml")


# --- faults ----------------------------------------------------------------------------------------------------------


def test_all_faults_come_at_once_each_with_file_key_and_reason(config, file):
    with pytest.raises(ConfigError) as caught:
        config("""
            colour = "red"
            [server]
            port = "no"
            hots = "x"
            [retention]
            events = "a month"
            [sources.main]
            provider = "nobody"
            retry = { max_ag = "7d" }
            [sinks.ops]
            type = "mail"
            events = ["modle.*"]
            sources = ["mian"]
            where = "a b"
            rate = "often"
        """)
    assert str(caught.value).splitlines() == [
        f"{file}: colour: is not a key here; there are: alarms, redis, retention, server, sinks, sources, telemetry",
        f"{file}: retention.events: must be a duration: seconds as a number, or a text such as "
        '"90s", "15m", "2h", "7d"',
        f"{file}: server.hots: is not a key here; did you mean 'host'?",
        f"{file}: server.port: must be a whole number",
        f"{file}: sinks.ops.events[0]: 'modle.*' matches no event type; did you mean 'model.failed'?",
        f'{file}: sinks.ops.rate: must be a rate such as "120/1m" or "1/s"',
        f"{file}: sinks.ops.sources[0]: 'mian' is no source; did you mean 'main'?",
        f"{file}: sinks.ops.to: is missing",
        f"{file}: sinks.ops.where: is not a JMESPath expression: Unexpected token: b: Parse error at column 2, "
        'token "b" (UNQUOTED_IDENTIFIER)',
        f"{file}: sources.main.provider: 'nobody' is not there; installed: strict, registers",
        f"{file}: sources.main.retry.max_ag: is not a key here; did you mean 'max_age'?",
    ]


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("server = 3", "server", "must be a table"),
        ("sources = 3", "sources", "must be tables with a name: [sources.NAME]"),
        ("[sources]\na = 3", "sources.a", "must be a table: [sources.a]"),
        ("[server]\nport = 65536", "server.port", "must be 1 to 65535"),
        ("[server]\nport = true", "server.port", "must be a whole number"),
        ("[server]\nmax_body = 0", "server.max_body", "must be more than 0"),
        ("[server]\nhost = ''", "server.host", "must not be empty"),
        ("[server]\nadmin_token = 3", "server.admin_token", "must be a text"),
        (
            "[server]\nadmin_token = 'schlüssel'",
            "server.admin_token",
            "must be visible ASCII without spaces: it travels in a header",
        ),
        (
            "[server]\nadmin_token = 'two words'",
            "server.admin_token",
            "must be visible ASCII without spaces: it travels in a header",
        ),
        ("[redis]\nwait_replicas = -1", "redis.wait_replicas", "must be 0 or more"),
        ("[telemetry]\nlog_format = 'xml'", "telemetry.log_format", 'must be "text" or "json"'),
        ("[telemetry]\nsentry_dsn = 'key'", "telemetry.sentry_dsn", "must be a Sentry DSN: https://KEY@HOST/PROJECT"),
        ("[retention]\ndedup = 0", "retention.dedup", "must be more than 0"),
        ("[sources.a]", "sources.a.provider", "is missing"),
        ("[sources.a]\nprovider = 3", "sources.a.provider", "must be a text"),
        ("[sinks.a]", "sinks.a.type", "is missing"),
        ("[sinks.a]\ntype = 'console'\nevents = 'job.*'", "sinks.a.events", "must be a list"),
        ("[sinks.a]\ntype = 'mail'\nto = []\nform = 'x'", "sinks.a.form", "is not a key here; did you mean 'from'?"),
        ("[sinks.a]\ntype = 'mail'\nto = []\npassword = ''", "sinks.a.password", "must be a text that is not empty"),
        ("[sinks.a]\ntype = 'mail'\nto = [1]", "sinks.a.to[0]", "must be a text"),
        ("[sinks.a]\ntype = 'people'\ngroup = 'soon'", "sinks.a.group", SOON),
        (
            "[sinks.a]\ntype = 'people'\nstorm_limit = '20'",
            "sinks.a.storm_limit",
            'must be a rate such as "120/1m" or "1/s"',
        ),
        (
            "[sinks.a]\ntype = 'people'\ndigest = '08:00'",
            "sinks.a.digest",
            'must be a time and a time zone, such as "08:00 Europe/Berlin"',
        ),
        (
            "[sinks.a]\ntype = 'people'\ndigest = '08:00 Europe/Berlim'",
            "sinks.a.digest",
            "knows no time zone 'Europe/Berlim'; it must be one such as Europe/Berlin or UTC",
        ),
        (
            "[sinks.a]\ntype = 'people'\nquiet_hours = '22:00 UTC'",
            "sinks.a.quiet_hours",
            'must be two times and a time zone, such as "22:00-07:00 Europe/Berlin"',
        ),
        (
            "[sinks.a]\ntype = 'people'\nquiet_hours = '22:00-22:00 UTC'",
            "sinks.a.quiet_hours",
            "must begin and end at different times",
        ),
    ],
)
def test_a_fault_names_the_key_and_says_what_to_change(faults, text, key, reason):
    assert faults(text) == {key: reason}


@pytest.mark.parametrize("key", ["group", "storm_limit", "digest", "quiet_hours"])
def test_only_sinks_for_people_can_be_told_how_to_tell(faults, key):
    (reason,) = faults(f"[sinks.a]\ntype = 'console'\n{key} = '1'").values()
    assert reason.startswith("is not a key here")


def test_how_people_are_told_is_read(config):
    manner = (
        config("""
        [sinks.a]
        type = "people"
        group = "30s"
        storm_limit = "20/10m"
        digest = "08:00 Europe/Berlin"
        quiet_hours = "22:00-07:00 Europe/Berlin"
    """)
        .sinks["a"]
        .manner
    )
    assert (manner.group, manner.storm_limit) == (30.0, (20, 600.0))
    assert (manner.digest, manner.quiet_hours) == (
        Daily.parse("08:00 Europe/Berlin"),
        Hours.parse("22:00-07:00 Europe/Berlin"),
    )
    assert not config("[sinks.a]\ntype = 'people'\ngroup = 0").sinks["a"].manner.gathers


@pytest.mark.parametrize("name", ["a b", "ä", "", ".", "..", "a/b", "x" * 65, "a\\nb"])
def test_a_name_that_cannot_travel_in_an_address_is_a_fault(faults, name):
    (reason,) = faults(f'[sinks."{name}"]\ntype = "console"').values()
    assert reason.startswith("the name may hold letters")


def test_a_fault_stays_one_line_whatever_the_key_holds(config):
    with pytest.raises(ConfigError) as caught:
        config('"a\\nb" = 1')
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "url",
    [
        *["localhost", "http://localhost", "redis://", "redis://h:port", "redis://h:99999", "unix://"],
        *["redis+sentinel://", "redis+sentinel://a:b/main", "redis+sentinel://a:1/main?db=z", "redis://h?db=x"],
        *["redis://h?no_such_option=1", "redis://h?socket_timeout=soon", "rediss://h?ssl_cert_reqs=perhaps"],
        *["redis://h?protocol=9", "redis://h?connection_class=x", "unix:///run/r.sock?db=x"],
    ],
)
def test_an_address_no_redis_client_understands_is_a_fault_that_does_not_show_it(faults, url):
    assert list(faults(f'[redis]\nurl = "{url}"')) == ["redis.url"]
    (reason,) = faults("", REDIS_URL=url).values()
    assert "redis://HOST:PORT/DB" in reason
    assert url not in reason or url in ("redis://", "unix://", "redis+sentinel://")


def test_a_source_without_a_secret_is_a_fault_unless_registering_brings_one(faults, config):
    (reason,) = faults('[sources.a]\nprovider = "strict"').values()
    assert "no webhook can be verified" in reason
    assert list(faults('[sources.a]\nprovider = "strict"\nwebhook_secrets = [""]')) == ["sources.a.webhook_secrets[0]"]
    (warning,) = config('[sources.a]\nprovider = "registers"').warnings
    assert warning.key == "sources.a.webhook_secrets"


def test_an_alarm_is_off_unless_it_is_given_and_more_than_0(config):
    settings = config('[alarms]\nsource_silent = "24h"\nrejections = "20/5m"\njob_stuck = 0\nsink_failing = "0s"')
    assert settings.alarms.source_silent == 86400
    assert settings.alarms.rejections == Rate(20, 300)
    assert settings.alarms.job_stuck is settings.alarms.sink_failing is None
    assert settings.warnings == ()
    assert config("[alarms]\nrejections = 0").alarms.rejections is None


# --- variables -------------------------------------------------------------------------------------------------------


def test_a_missing_variable_is_the_one_fault_of_its_key_and_is_named(faults):
    assert faults("""
        [server]
        port = "${PORT_OF_OURS}"
        [sources.a]
        provider = "strict"
        webhook_secrets = ["fine", "${SECRET_A}"]
    """) == {
        "server.port": "needs the environment variable PORT_OF_OURS, which is not set",
        "sources.a.webhook_secrets[1]": "needs the environment variable SECRET_A, which is not set",
    }


def test_a_variable_that_is_not_utf8_is_a_fault(faults, config):
    """The environment has bytes; Python stands in half characters for those that are not UTF-8."""
    said = {"server.host": "needs the environment variable HOST, which is not UTF-8"}
    assert faults('[server]\nhost = "${HOST}"', HOST="a\udcff") == said
    assert faults('[server]\nhost = "${HOST:-b}"', HOST="\udcff") == said
    assert faults("", REDIS_URL="redis://\udcff") == {"REDIS_URL": "is not UTF-8"}


@pytest.mark.parametrize("text", ["${", "${}", "${1A}", "${A", "${A-b}", "x ${A:b}"])
def test_half_a_reference_is_a_fault(faults, text):
    assert faults(f'[server]\nhost = "{text}"', A="a") == {
        "server.host": "has a ${ that is neither ${NAME} nor ${NAME:-default}"
    }


@pytest.mark.parametrize(
    ("text", "environ", "host"),
    [
        ("${A}", {"A": "x"}, "x"),
        ("a.${A}.${B:-c}.$d", {"A": "x"}, "a.x.c.$d"),
        ("${A:-b}", {"A": ""}, "b"),
        ("${A:-b c:-d}", {}, "b c:-d"),
        ("x${A:-}", {}, "x"),
        ("${A}", {"A": "${B}", "B": "never"}, "${B}"),
    ],
)
def test_variables_are_replaced_once_anywhere_inside_a_text(config, text, environ, host):
    assert config(f'[server]\nhost = "{text}"', **environ).server.host == host


def test_an_unset_admin_token_with_an_empty_default_is_no_token(config):
    assert config('[server]\nadmin_token = "${T:-}"').server.admin_token is None
    assert config('[server]\nadmin_token = "${T}"', T="s3cret").server.admin_token == Secret("s3cret")


def test_redis_url_of_the_environment_counts_when_the_file_names_none(config):
    theirs = {"REDIS_URL": "redis://env:6379/0"}
    assert config("", **theirs).redis.url == Secret("redis://env:6379/0")
    assert config('[redis]\nurl = "${X:-}"', **theirs).redis.url == Secret("redis://env:6379/0")
    assert config('[redis]\nurl = "unix:///run/r.sock"', **theirs).redis.url == Secret("unix:///run/r.sock")


# --- values ----------------------------------------------------------------------------------------------------------


def test_numbers_durations_and_sizes_may_be_texts(config):
    settings = config("""
        [server]
        port = "9000"
        max_body = "512KiB"
        public_url = "https://jobs.example.com/"
        [redis]
        url = "redis+sentinel://a:26379,b:26379/main"
        wait_replicas = "2"
        [retention]
        events = 90
        dedup = "2h"
        [telemetry]
        sentry_dsn = "https://key@sentry.example.com/4"
        log_format = "json"
    """)
    assert (settings.server.port, settings.server.max_body) == (9000, 512 * 1024)
    assert settings.server.public_url == "https://jobs.example.com"
    assert settings.redis.wait_replicas == 2
    assert (settings.retention.events, settings.retention.dedup) == (90, 7200)
    assert settings.telemetry.log_format == "json"


@pytest.mark.parametrize("text", ["40000d", "9" * 400, "9" * 5000 + "h", 2**63, 1e300], ids=range(5))
def test_a_duration_of_more_than_a_century_is_a_fault(text):
    with pytest.raises(ValidationError, match=r"must be at most 36500d|must be a duration"):
        Duration().deserialize(text)
    assert Duration().deserialize("36500d") == 36500 * 86400


@pytest.mark.parametrize(
    "text", ["1/40000d", "1/" + "9" * 400 + "s", "9" * 400 + "/1s", "9" * 5000 + "/1s", "1/0.0001ms"], ids=range(5)
)
def test_a_rate_that_nobody_can_count_is_a_fault(text):
    with pytest.raises(ValidationError, match="must be a rate"):
        RateField().deserialize(text)
    assert RateField().deserialize("1000000000/36500d").count == 10**9


@pytest.mark.parametrize("text", ["(" * 5000, "!" * 3000 + "a"], ids=["(", "!"])
def test_a_where_that_nests_without_end_is_a_fault(text):
    with pytest.raises(ValidationError, match="is not a JMESPath expression"):
        Expression().deserialize(text)


def test_a_source_carries_its_own_options_and_the_common_ones(config):
    source = config("""
        [sources.main]
        provider = "strict"
        webhook_secrets = ["one", "two"]
        retry = { max_age = "2d", max_attempts = "3" }
        reconcile = 0
    """).sources["main"]
    assert source.options["webhook_secrets"] == [Secret("one"), Secret("two")]
    assert source.rate_limits == (Rate(500, 60.0),)
    assert source.retry == RetryPolicy(max_age=2 * 86400, max_attempts=3)
    assert source.reconcile == 0


def test_sources_of_one_client_share_a_budget_and_others_do_not(config):
    common = 'provider = "strict"\nwebhook_secrets = ["s"]\n'
    sources = config(f"""
        [sources.a]\n{common}client_id = "1"
        [sources.b]\n{common}client_id = "1"
        [sources.c]\n{common}client_id = "2"
        [sources.d]\n{common}
        [sources.e]\n{common}
    """).sources
    keys = {name: source.client_key for name, source in sources.items()}
    assert keys["a"] == keys["b"]
    assert len(set(keys.values())) == 4
    assert sources["a"].retry == RetryPolicy(max_age=7 * 86400)


def test_a_sink_carries_its_filters(config):
    sink = config("""
        [sources.main]
        provider = "registers"
        [sinks.team]
        type = "mail"
        to = ["a@example.com"]
        events = ["model.*", "ops.repaired"]
        sources = ["main"]
        where = "data.job.name == 'x'"
        rate = "1/s"
        omit = ["data.job.customer"]
    """).sinks["team"]
    assert (sink.type, sink.events, sink.sources) == ("mail", ("model.*", "ops.repaired"), ("main",))
    assert (sink.where, sink.rate, sink.omit) == ("data.job.name == 'x'", Rate(1, 1.0), ("data.job.customer",))
    assert sink.options["to"] == ["a@example.com"]


def test_no_secret_is_in_the_representation(config):
    settings = config("""
        [server]
        admin_token = "hush-1"
        [redis]
        url = "redis://:hush-2@localhost:6379"
        [telemetry]
        sentry_dsn = "https://hush-3@sentry.example.com/4"
        [sources.main]
        provider = "registers"
        webhook_secrets = ["hush-4"]
        [sinks.team]
        type = "mail"
        to = []
        password = "hush-5"
    """)
    assert "hush" not in repr(settings)


# --- anything --------------------------------------------------------------------------------------------------------

_words = st.sampled_from(
    ["server", "sources", "sinks", "alarms", "redis", "retry", "provider", "type"]
) | st.sampled_from(
    ["events", "where", "rate", "max_body", "port", "registers", "console", "mail", "to", "rejections", "reconcile"]
)
_texts = st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=12)
_keys = _words | _texts
_values = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts | _words
    | st.sampled_from(["15m", "1/s", "${HOME", "${A:-b}", "9" * 400, "a[*].b", "redis://[", "1e400", "0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(_keys, st.dictionaries(_keys, _values, max_size=3) | _values, max_size=4))
def test_any_document_gives_settings_or_a_configuration_error(tmp_path_factory, document):
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text("\n".join(f"{_toml(k)} = {_toml(v)}" for k, v in document.items()))
    reasons = [""]
    try:
        assert read(file).sinks
    except ConfigError as e:
        reasons = [fault.reason for fault in e.faults]
    assert reasons
    assert not any("is not TOML" in reason for reason in reasons)


@pytest.mark.parametrize("path", ["id", "source", "type", "specversion", "partitionkey", "time", "subject.x"])
def test_what_every_sink_needs_of_an_event_cannot_be_omitted(faults, path):
    (reason,) = faults(f"[sinks.a]\ntype = 'console'\nomit = ['{path}']").values()
    assert "is of the envelope" in reason


def test_a_function_that_there_is_none_of_is_a_fault_and_not_a_filter_that_lets_everything_through(faults):
    (reason,) = faults("[sinks.a]\ntype = 'console'\nwhere = 'data.job && nofunc(data)'").values()
    assert "uses nofunc, which is no function" in reason
