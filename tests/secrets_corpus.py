"""Texts with a secret, and ordinary ones: what `test_privacy.py` and the end-to-end test plant.

In each of `PLANTED` the canary stands where a secret would. `SHAPED` are secrets by their shape,
put together here so that no scanner takes this file for a leak.
"""

# ruff: noqa: E501

from __future__ import annotations

CANARY = "hunter2SWORDFISH"


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SHAPED: dict[str, str] = {
    "jwt": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.swordfishswordfish",
    "aws": "AKIA" + "IOSFODNN7SWORDFI",
    "google": "AIza" + "SyA-1234567890abcdefghijklmnopqrstu",
    "google_oauth": "ya29" + ".a0AfH6SMBswordfishswordfish",
    "stripe": "sk_live" + "_4eC39HqLyjWDarjtT1zdp7dc",
    "stripe_hook": "whsec" + "_4eC39HqLyjWDarjtT1zdp7dc",
    "github": "ghp" + "_abcdefghijklmnopqrstuvwxyz0123456789",
    "github_fine": "github" + "_pat_11ABCDEFG0abcdefghijkl_swordfish",
    "gitlab": "glpat" + "-abcdefghijklmnopqrst",
    "slack": "xoxb" + "-123456789012-abcdefghijkl",
    "slack_hook": "hooks.slack" + ".com/services/T000/B000/swordfish",
    "datadog": "ddapp" + "_abcdefghijklmnopqrstuvwxyz",
    "azure": "sword/fish" * 8 + "abcdef==",
    "openai": "sk" + "-proj-abcdefghijklmnopqrstuvwxyz",
    "npm": "npm" + "_abcdefghijklmnopqrstuvwxyz0123456789",
    "private_key": "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIEswordfish\n-----END RSA PRIVATE KEY-----",
    "openssh": "-----BEGIN " + "OPENSSH PRIVATE KEY-----\nb3BlbnNzaswordfish",
    "card": "4111 1111 1111 1111",
    "card_plain": "5500" + "000000000004",
    "amex": "3782-822463-10005",
}  # fmt: skip

PLANTED: tuple[str, ...] = tuple(
    text.replace("@@", CANARY)
    for text in (
        "Authorization: Bearer @@",
        "authorization=Bearer @@",
        "{'authorization': 'Bearer @@'}",
        "got Bearer @@ from the client",
        'Proxy-Authorization: Digest username="a", response="@@"',
        "Basic aHVudGVyOmh1bnRlcjJTV09SREZJU0g= @@"[:38],
        "password=@@ user=bob",
        '{"user":"bob","password":"@@"}',
        '{"user": "bob", "password" : "it\\"s @@"}',
        "{'password': '@@', 'a': 1}",
        "password: @@",
        "Password = '@@'",
        "user=bob&password=@@&x=1",
        "user=bob&password=a,@@",
        "password=a&@@",
        "userPassword=@@",
        "PGPASSWORD=@@ psql",
        "db_pass: @@",
        "api key: @@",
        "X-Api-Key: @@",
        "apiKey=@@",
        "dd-application-key: @@",
        "client_secret='@@'",
        "secret => @@",
        r'"{\"password\": \"@@\"}"',
        r'"{\\\"password\\\": \\\"@@\\\"}"',
        "[('password', '@@')]",
        "[(b'authorization', b'Bearer @@')]",
        "[(b'cookie', b'a=@@')]",
        "run --password @@ now",
        "run --token=@@ now",
        "['run', '--password', '@@']",
        "<password>@@</password>",
        "postgresql://bob:@@@db.example/x",
        "postgresql://bob:p@x@@@db.example/x",
        "redis://:@@/x@cache.example:6379/0",
        "GET /x?token=@@&page=@@ HTTP/1.1",
        "http://h.example/?@@",
        "cvv: @@",
        "ssn=@@",
        "Cookie: a=@@; b=@@",
        "Set-Cookie: sid=@@; Path=/",
        "session={'id': '@@'}",
        "tokens: ['a', '@@']",
        "private_key=@@",
        "credentials: @@",
        "AccountKey=@@;EndpointSuffix=core",
        "Server=db;Password=@@;Database=x",
        "password%3D@@",
        "%22password%22%3A%22@@%22%7D",
        "headers['Authorization'] = '@@'",
        'Content-Disposition: form-data; name="password"\r\n\r\n@@\r\n--x',
        "(psycopg.errors.UniqueViolation) duplicate key\nDETAIL:  Key (email)=(@@) already exists.",
        "DETAIL:  Failing row contains (1, @@, null).",
        "[SQL: INSERT INTO u (email, p) VALUES ('@@', 5)]\n[parameters: {'a': 1}]",
        "UNIQUE constraint failed\n[SQL: INSERT INTO u VALUES (?)]\n[parameters: ('@@', ']')]\n(Back",
        "[generated in 0.0002s] ('@@', 1)",
        "[cached since 3.2s ago] {'name': '@@'}",
        "(1062, \"Duplicate entry '@@' for key 'u.email'\")",
        'invalid input syntax for type integer: "@@"',
        "LINE 1: SELECT 1 WHERE p = '@@'",
        "invalid input for query argument $1: '@@' (expected int)",
        "password\n  String too short [type=string_too_short, input_value='@@', input_type=str]",
        "[{'type': 'x', 'loc': ('body', 'password'), 'msg': 'short', 'input': '@@'}]",
        "Command # 1 (SET user:1 @@) of pipeline caused error: WRONGTYPE",
        "unknown command 'FOO', with args beginning with: '@@'",
        'Traceback\n  File "/a.py", line 3, in f\n    password = "@@"\n',
        "next=https%253A%252F%252Fx.example%252F%253Ftoken%253D@@%2526x",
        'password = """@@"""',
        "https:\\/\\/bob:@@@example.com\\/x",
        "to=https%3A%2F%2Fbob%3A@@%40example.com",
        "run --db.password @@",
        "run --password 'a b @@' now",
        '[["host", "x"], ["x-api-key", "@@"]]',
        '<wsse:Password Type="x#PasswordText">@@</wsse:Password>',
        "<password><![CDATA[@@]]></password>",
        r"""b'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n@@\r\n--x'""",
        'Content-Disposition: form-data; name="password"\r\n\r\na\r\n@@\r\n--x',
        '{"name": "DB_PASSWORD", "value": "a @@"}',
        "- name: DB_PASSWORD\n  value: @@",
        '{""password"":""@@""}',
        "<RequestsCookieJar[<Cookie a=@@ for x/>]>",
        "ALTER USER bob WITH PASSWORD '@@'",
        "CREATE USER 'bob'@'h' IDENTIFIED BY '@@'",
        r"{\"loc\":[\"body\",\"age\"],\"input\":\"@@\"}",
        "password=@dm1n@@",
        "password=$ecret@@",
        "csrf=@@",
        "Bearer+@@",
        "social_security_number: @@",
        'invalid input value for enum mood: "@@"',
        'malformed array literal: "@@"',
        'date/time field value out of range: "@@"',
        'invalid input syntax for type json\nDETAIL:  Token "@@" is invalid.\nCONTEXT:  JSON data, line 1: @@',
        "CONTEXT:  SQL statement \"SELECT '@@'::int\"",
        "QUERY:  SELECT '@@'::int\nCONTEXT:  PL/pgSQL function f() line 1",
        'unterminated quoted string at or near "\'@@"',
        'invalid value "@@" for "YYYY"',
        'COPY u, line 1, column id: "@@"',
        r"'invalid hexadecimal digit: \"Z\"\nLINE 1: SELECT \'\\x@@\'::bytea\n    ^'",
        "DETAIL:  Key (note)=(first line\n@@) already exists.",
        "DETAIL:  Key (r)=(a) conflicts with existing key (r)=(@@).",
        "DETAIL:  Failing row contains (1, first line\n@@, null).",
        "(1062, \"Duplicate entry 'first line\n@@' for key 'u.note'\")",
        "(builtins.LookupError) '@@' is not among the defined enum values. Enum name: mood.",
        "invalid input for query argument $1: '@@' (invalid UUID '@@': length must be 32)",
        "query argument $1 in element #0 of executemany() sequence: '@@' ('str' object cannot be interpreted)",
        'could not translate host name "@@@db.example" to address',
        "pin=@@",
        '{"mfaCode": "@@"}',
        "verification_code: @@",
        'backup_codes: ["@@", "b"]',
        "code_verifier=@@",
        "SAMLResponse=@@",
        "X-Hub-Signature-256: sha256=@@",
        "['X-Signature: @@']",
        "login as bob with password @@!",
        "using password @@.",
        "the password is @@",
        "invalid token @@ given",
        "GET /login/password/@@",
        "AUTH default @@ [x]",
        "curl -u bob:@@ https://x.example/",
        "['curl', '--user', 'bob:@@']",
        "mysql -u root -p@@ db",
        "sshpass -p @@ ssh x",
        "redis-cli -a @@ ping",
        "docker login -u bob -p @@ registry",
        "ran INSERT INTO u (email) VALUES ('@@')",
        "executing SELECT * FROM users WHERE email = '@@' AND id = 5",
        "ran update u set a = '@@'",
        'ran UPDATE u SET a="@@"',
        "ran SELECT $$@@$$",
        "ran SELECT $q$it's @@$q$",
        "('SELECT a FROM t WHERE b = ?', ('@@',))",
        "DO $$ BEGIN RAISE NOTICE '@@'; END $$",
        "SET app.tenant = '@@'",
        "(psycopg.errors.RaiseException) no password=@@",
        '(psycopg.errors.InvalidParameterValue) time zone "@@" not recognized',
        '(sqlalchemy.dialects.postgresql.asyncpg.Error) invalid source encoding name "@@"',
        "unknown subcommand '@@'. Try OBJECT HELP.",
        "ValueError: '@@' does not appear to be an IPv4 or IPv6 address",
        "odd <X-Signature: @@>",
        "cookies {'a': '@@'}",
        "Headers({'sec-websocket-protocol': 'access_token, @@'})",
        "note=got+%7B%22client_secret%22%3A+%22@@%22%7D",
        "baggage: note=%22password%22%20%3D%20%22@@%22",
        "baggage: note=postgresql%3A//app%3A@@%40db.internal",
        "https://discord.com/api/webhooks/123456789012345678/@@",
        "https://api.telegram.org/bot123456789:AAF@@abcdefghijklmnopqrstuv/send",
        "stored $2b$12$@@abcdefghijklmnopqrstuvwxyz0123456789a",
        "SCRAM-SHA-256$4096:@@",
        "Error in ACL SETUSER modifier '>@@': Syntax error",
        "CONFIG SET requirepass @@",
        "AUTH bob @@",
        "id=1: invalid SECRET @@",
        "the secret @@ of the hook",
        'passphrase "@@"',
        "reset password to '@@'",
        "password is set to @@",
        "PUT /reset-password/@@",
        "GET /password-reset/@@",
        "GET /reset/@@abcdefghijklmnopqrstuv 200",
        "https://shop.example/auth/verify-email/en/@@abcdefghijklmnopqrstuv",
        "password for bob is @@",
        "Password for user bob@example.com: @@",
        "<td>{&quot;password&quot;: &quot;@@&quot;}</td>",
        '<td title="x">{&#34;client_secret&#34;:&#34;@@&#34;}</td>',
        "Your verification code is @@",
        "the 2FA code is: @@",
        '{"security_answer": "@@"}',
        "secret answer: @@",
        "adminpass=@@ redispw=@@",
        "SET PASSWORD FOR 'bob' = '@@'",
        "password: |\n    @@\n    @@\nuser: bob",
        "stringData:\n  token: >-\n    @@",
        "<param name='token'>@@</param>",
        '<property key="db.password" type="x">@@</property>',
        'got "\\npin: @@"',
        "form=%0Asig%3D@@1",
    )
)

KEYS = words(
    "authorization Authorization cookie Set-Cookie proxy-authorization db_password PASSWD "
    "userPwd client_secret accessToken token api_key X-Api-Key apikey APIKey dd-application-key session session_id JSESSIONID card card_number cvv ssn private_key "
    "privateKey credentials smtp_pass aws_secret_access_key "
    "http.request.header.authorization http.request.header.x-api-key PGPASSWORD csrf_token "
    "refreshToken passphrase new_password newPassword active_token api_keys csrf ccn "
    "social_security_number stripe_key auth_header pin user.pin otp totp mfa_code mfaCode one_time_code "
    "recovery_codes security_code sms_code code_verifier client_assertion SAMLResponse"
)
ORDINARY_KEYS = words(
    "token_count max_tokens session.id tokenizer password_changed_at token_type secret_name "
    "has_password is_token_valid cardinality discard card_brand scorecard key primary_key "
    "foreign_key sort_key cache_key keyboard author authority authorized passenger compass "
    "bypass passed secretary session_count user.id http.request.id tokenize keys "
    "code.function.name gen_ai.token.type token_url auth_type assessment possession monkey "
    "cookie_name url.path session_started session_title card_country code status_code error_code "
    "postal_code country_code promo_code pins pin_count spin pinned signature_algorithm"
)

_SENTENCES = """
user 42 logged in|token expired: retry|invalid token: not enough segments
password must be at least 8 characters|password: required|password=None|token_count=5
prompt_tokens: 512|GET /items/42 200 in 3 ms|really?yes|what? no|what?really
session closed for user 3|Application startup complete.|connect to postgres://db.local:5432/app
Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)|time 12:34:56 ok
order 1764082078123 at 1764082078123456789|0193e0c5-8c0a-7c1e-b0a1-3f6c1de0c7a4
trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7|key error: 'name'|KeyError: 'token'
Basic authentication required|bearer token missing|missing fields: ['password', 'email']
cache_key=user:5:profile|[notice] worker ready|primary key: id|https://medium.com/@bob/x
a@b.example wrote|author: Bob|x[1:2]|deadbeefdeadbeefdeadbeefdeadbeefdeadbeef
Password changed for user bob|author=bob|passed=3 failed=2|Key (id) is missing
/api/v1/tokens/5|{'name': 'bob', 'tokens': 3}|retry in 5 s (attempt 2 of 3)|état: terminé
unexpected token: ')'|otp: sent|token_type=bearer expires_in=3600|syntax error at or near "FORM"
Basic plan chosen|discard=true|wildcard: *.example|monkey patched|2026-11-25T14:47:58Z done
"""
_WORDS = ("order", "deal", "user", "invoice", "job", "note", "page", "batch")
_DONE = ("created", "updated in {0} ms", "not found: {0}", "has state={1}", "took {0}.5 s", "→ {1}")
ORDINARY: tuple[str, ...] = (
    *(text for line in _SENTENCES.strip().splitlines() for text in line.split("|")),
    *(
        f"{word} {number * 7919} {done.format(number * 31, word)}"
        for word in _WORDS
        for done in _DONE
        for number in range(1, 7)
    ),
)
