"""Ordinary texts and ordinary statements, by the hundred: what a mask should leave alone.

Statements are as SQLAlchemy compiles them for three dialects, and as people write migrations.
None has a literal, so that each should come back as it is, on one line.
"""

# ruff: noqa: E501

from __future__ import annotations

from itertools import product

_TEXTS = """
PWD=/app OLDPWD=/srv/x HOME=/root
Authorization header missing from request
authorization: user is not allowed to see it
passed 42 of 43 checks|compass: north|bypass=true|author: Ada Lovelace
price: 1,299.00 EUR|total=4111.11|iban check passed|isbn 978-3-16-148410-0
2026-11-25T16:34:19.123456+00:00 started|2026-11-25 16:34:19,123 INFO ready
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 pulled
d41d8cd98f00b204e9800998ecf8427e|550e8400-e29b-41d4-a716-446655440000 not found
{"id": 7, "name": "Ada", "tags": ["a", "b"], "price": 9.99, "active": true, "parent": null}
{'status': 'open', 'items': [1, 2, 3], 'total': Decimal('19.90')}
GET /api/v1/deals/42/notes HTTP/1.1|POST /login 401|DELETE /sessions/7 204
key=deal:42 hit|cache miss for key deal:42:notes|lock key acquired|key not found: 'name'
SELECT took 12 ms|deadlock detected, retrying (2/5)|pool size 5, overflow 10
Task tasks.email.send[3f2b6c1e-8f0a-4c55-9d1e-1b2f3c4d5e6f] succeeded in 0.12s: None
worker 12 (pid: 4321) booted|Listening at: http://0.0.0.0:8000 (4321)
connect to redis://cache:6379/0|amqp://broker.internal:5672//|kafka-1:9092,kafka-2:9092
GET https://api.example.com/v2/users/42/orders 200 OK|see https://docs.example.com/errors#e42
10.1.2.3:51234 - "GET / HTTP/1.1" 200|[2001:db8::1]:443 refused
File "/app/crm/deals.py", line 42, in create|KeyError: 'deal_id'|ValueError: bad date: 2026-13-01
ZeroDivisionError: division by zero|TimeoutError: timed out after 3.0 s|exit code: 137
version 1.2.3-rc.1+build.5|python 3.11.7|latency p50=1.2ms p99=30.4ms
user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36|content-type: application/json
cache-control: no-cache|etag: W/"5e8d-17a2"|accept: */*|host: example.com
x-request-id: 0193e0c5-8c0a-7c1e-b0a1-3f6c1de0c7a4|traceparent is missing
phone +49 30 901820|order #1764082078|tracking 1Z999AA10123456784|vin 1HGCM82633A004352
the token bucket is full|tokens left: 512|token limit exceeded|password reset mail sent
session started|session expired after 30 minutes|cookie banner shown|secret santa draw done
api key rotated|credentials are valid|no credentials given|2 cards played|card declined
password reset requested|password must contain 8 characters|password reset for user42
password policy updated to v2.1|password hash uses bcrypt|password field 'password2' missing|password expires in 30days
the password is required|token is valid until 2026-11-25|token limit 4096|Unexpected token u in JSON at position 0
token count 12|secret rotation job-123 done|api key rotated by user42|Select an item from the 'basic' list
please update your profile and set 'name'|delete from cart: 'item 5'|SELECT id FROM deals took 12 ms|commit 9f86d08
inspect.signature(func)|signature: (a, b) -> c|got signal sig=SIGTERM|signature mismatch|pin the version to 1.2.3|shipping=DHL
code=404 error_code=E42 status_code=200|exit code: 137|postal_code=10115 country_code=DE|curl 7.88.1 -u
docker run -p 8080:80 mysql|docker run -u 1000:1000 image|mysql -h db -P 3306 -p shop|caf%C3%A9%20au%20lait|100%
(psycopg.errors.UniqueViolation) duplicate key value violates unique constraint "deals_name_key"
asyncpg.exceptions.UndefinedTableError: relation "deals" does not exist|authorization: granted|passwords: 3 checked
max_tokens=4096 total_tokens=512|tokenizer=gpt2|secretary hired|passenger: 3|task-sk-very-long-branch-name-here
price: $12 or $15|iban DE89370400440532013000|data:image/png;base64,iVBORw0KGgoAAAANSUhEUg|s3://bucket/key/part-1
user 42 changed the password|password reset to be sent by mail|password is set to expire in 30 days
cookies: 3 blocked|time code: 00:01:02|tokens: 512 left|password for user42 has expired
password for bob was changed|password for the user bob is required|GET /reset/done 200|GET /verify/step-2 200
POST /invitations/42/accept 204|/confirm/order-42|<b>&quot;5 &lt; 6&quot;</b>|GET /verify-email/550e8400/resend
reset password to continue|token to be refreshed in 5 minutes|the secret to success is sleep
secret to share with nobody|your access code is required|the country code is DE|exit code is 137
status code is 404|the postal code is 10115|error code is E42|promo code is SUMMER20
verification code is required|verification code is invalid|login code is expired|answer: 42
answer=yes|question_answer_count=3|GET /password-reset/ 200|GET /password/change 200
GET /password-reset/done 200|/reset-password/confirm|PUT /users/42/password 204|POST /auth/token 200
compass=12 mypassion=1 rootpath=/srv|adminpassed=3 dbpassive=true pgpool=2
<param name="limit">100</param>|<property name="page" value="3"/>|<input name="email" value="x"/>
<div key="row">text</div>|<item name="token_count">12</item>|AUTHOR Bob
AUTHORIZATION GRANTED TO ROLE|SECRET SANTA 2026|PASSWORD RESET REQUESTED|PASSWORD POLICY UPDATED
TOKEN BUCKET FULL|UNEXPECTED TOKEN IN JSON|key error: 'name' at line 5|key=value pairs parsed: 12
primary key violation on orders|sort keys: ['a', 'b']|api version 2.1 key features|public key pinned
foreign key (deal_id) references deals|session 42 closed after 30 s|session count: 12
sessions: 5 active|cookie consent: accepted|card: declined|discard: 3 cards|wildcard=*.example.com
cardinality=12|scorecard=7|keyboard=qwerty|monkey=patched|design=new sign=minus signal=15
shipping=DHL opinion=good pinned=true|spin=3 pinging=yes|code=200 codec=h264 decode=utf8
barcode=4006381333931|zip_code=10115|http_code: 200|assignment: 5
class=Foo passes=3 message=ok issue=12 success=true missing=0
progress=50% process=12 address=Main St 5|ssl=true ssh_port=22 css=ok
create=true credit=12.50 screen=hd|secretary=Bob secretariat=EU|description=none script=a.py
input=file.txt inputs=3 input_type=csv|author=bob authority=eu authored_at=2026-01-01
authorized=true|side=left sideload=yes consider=1 president=1|cvs=ok cv=ada.pdf
protocol=https protocols=h2,http/1.1|social=true socialize=no|sigma=1.5 significant=true
otpauth disabled|hotpath=true stopped=1 laptop=1|key: id|keys: 12|api: v2|password: ********
password=<hidden>|token=None|token: null|"password": ""|Set-Cookie header missing
invalid credentials for user bob|user bob logged in with password|incorrect password for user 42
too many password attempts (5)|token refresh took 12 ms|token type: bearer|bearer token expired
basic auth is off|retrying in 5s: connection refused|connect to 10.0.0.5:5432 failed
loaded 42 rows from orders in 3.2ms|order ORD-2026-000123 shipped
trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7
commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b
image sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
uuid 550e8400-e29b-41d4-a716-446655440000|2026-11-26T12:00:00Z started|price 12,50 EUR to 13,00 EUR
phone +49 30 901820-123|IBAN DE89 3704 0044 0532 0130 00|amount=4111.11 total: 1,234,567.89
https://example.com/docs/passwords#reset|s3://bucket/keys/part-1|SELECT id FROM deals WHERE id = $1
secret rotation finished for 3 secrets|secrets: 3 loaded|set password policy to strict
set the token limit to 4096|moved token to trash|access to /admin denied|access code: required
user_id=42 user_name=bob|max_tokens=4096 prompt_tokens: 512 token_count=5|login as bob
otp sent to user|pin code required|the pin is required|lambda key: key.lower()
def f(token: str, key: int) -> None|sorted(items, key=len)|dict(key='a', value='b')
{'name': 'limit', 'value': '5'}|name=page value=3|ValueError: key must be a string|KeyError: 'key'
TypeError: f() got an unexpected keyword argument 'key'|cursor: eyes|signature: (a, b) -> c
signed in from 10.0.0.5|magic number 42|recovery started|backup code path taken|reset code path
one time event
basic plan|bearer of bad news|SK Slovan won|pub quiz at 8|global settings|gl context lost
"""
_SUBJECTS = ("deal", "contact", "invoice", "import job", "mail", "webhook", "report", "campaign")
_SAYINGS = (
    "{0} {1} has been saved by user {2}",
    "{0}_id={1} owner={2} stage=won amount={1}.50",
    '{{"{0}": {1}, "owner": "user-{2}", "ok": true}}',
    "[{0}] step {1}/{2} done, next: notify",
    "could not load {0} {1}: HTTP 503 from crm-{2}.internal:8080/{0}/{1}",
)
TEXTS: tuple[str, ...] = (
    *(text for line in _TEXTS.strip().splitlines() for text in line.split("|")),
    *(
        saying.format(subject, number * 1301, number * 17)
        for subject, saying, number in product(_SUBJECTS, _SAYINGS, range(1, 7))
    ),
)

_TABLES = (("deals", "stage"), ("contacts", "email"), ("user_sessions", "token"))
_SHAPES = """
SELECT {t}.id, {t}.{c}, {t}.created_at FROM {t} WHERE {t}.id = {p}
SELECT {t}.id AS {t}_id, {t}.{c} AS {t}_{c} FROM {t} WHERE {t}.{c} = {p} ORDER BY {t}.id DESC LIMIT {p}
SELECT count(*) AS count_1 FROM (SELECT {t}.id AS id FROM {t} WHERE {t}.{c} IS NOT NULL) AS anon_1
SELECT {t}.id FROM {t} JOIN owners ON owners.id = {t}.owner_id WHERE owners.name LIKE {p}
SELECT {t}.id FROM {t} LEFT OUTER JOIN notes AS notes_1 ON {t}.id = notes_1.parent_id AND notes_1.kind = {p}
SELECT DISTINCT {t}.{c} FROM {t} WHERE {t}.id IN ({p}, {p}) OR {t}.id IS NULL
WITH recent AS (SELECT {t}.id AS id FROM {t} WHERE {t}.created_at > {p}) SELECT recent.id FROM recent
WITH RECURSIVE tree(id) AS (SELECT id FROM {t} UNION ALL SELECT a.id FROM {t} AS a JOIN tree ON a.parent_id = tree.id) SELECT id FROM tree
SELECT {t}.{c}, row_number() OVER (PARTITION BY {t}.{c} ORDER BY {t}.id DESC) AS rn FROM {t}
SELECT {t}.{c}, sum({t}.amount) AS total FROM {t} GROUP BY {t}.{c} HAVING sum({t}.amount) > {p}
SELECT CASE WHEN ({t}.{c} = {p}) THEN {p} ELSE {p} END AS anon_1 FROM {t}
SELECT EXISTS (SELECT * FROM {t} WHERE {t}.id = {p}) AS anon_1
SELECT lower({t}.{c}) AS lower_1, coalesce({t}.amount, {p}) AS coalesce_1 FROM {t}
INSERT INTO {t} (id, {c}) VALUES ({p}, {p})
UPDATE {t} SET {c}={p}, updated_at=CURRENT_TIMESTAMP WHERE {t}.id = {p}
DELETE FROM {t} WHERE {t}.id = {p}
INSERT INTO {t} (id, {c}) SELECT old.id, old.{c} FROM old WHERE old.id > {p}
SELECT a.id, b.id FROM {t} AS a, {t} AS b WHERE a.id < b.id AND a.{c} = b.{c}
CREATE TABLE {t} (id INTEGER NOT NULL, {c} TEXT, PRIMARY KEY (id))
CREATE UNIQUE INDEX ix_{t}_{c} ON {t} ({c})
ALTER TABLE {t} ADD COLUMN {c}_new TEXT
ALTER TABLE {t} RENAME COLUMN {c} TO {c}_old
DROP TABLE {t}
SAVEPOINT sa_savepoint_1
BEGIN
"""
_OWN = {
    "postgresql": """
INSERT INTO {t} (id, {c}) VALUES ({p}, {p}) ON CONFLICT (id) DO UPDATE SET {c} = excluded.{c} RETURNING {t}.id
SELECT {t}.data ->> {p} AS anon_1, {t}.data #>> {p}, {t}.data -> {p} FROM {t} WHERE {t}.data @> {p}::jsonb
SELECT {t}.id FROM {t} WHERE {t}.tags && {p}::text[] AND {t}.{c} ILIKE {p}
SELECT {t}.id FROM {t} WHERE {t}.id = ANY ({p}) FOR UPDATE SKIP LOCKED
SELECT "{t}"."{c}" FROM "{t}" WHERE "{t}".data ? {p}
SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace
ALTER TABLE {t} ADD CONSTRAINT fk_{t} FOREIGN KEY (owner_id) REFERENCES owners (id) ON DELETE CASCADE
CREATE INDEX CONCURRENTLY ix_{t} ON {t} USING gin (data jsonb_path_ops)
""",
    "mysql": """
INSERT INTO {t} (id, {c}) VALUES ({p}, {p}) AS new ON DUPLICATE KEY UPDATE {c} = new.{c}
SELECT `{t}`.`{c}` FROM `{t}` WHERE `{t}`.`id` = {p}
SELECT JSON_EXTRACT({t}.data, {p}) AS anon_1 FROM {t} WHERE {t}.id = {p} FOR UPDATE
SELECT {t}.id FROM {t} WHERE MATCH ({t}.{c}) AGAINST ({p} IN BOOLEAN MODE)
REPLACE INTO {t} (id, {c}) VALUES ({p}, {p})
ALTER TABLE {t} MODIFY COLUMN {c} TEXT NOT NULL
SHOW FULL TABLES FROM `{t}`
SELECT {t}.id FROM {t} FORCE INDEX (ix_{c}) WHERE {t}.{c} <=> {p}
""",
    "sqlite": """
INSERT INTO {t} (id, {c}) VALUES ({p}, {p}) ON CONFLICT (id) DO UPDATE SET {c} = excluded.{c} RETURNING id
SELECT JSON_EXTRACT({t}.data, {p}) AS anon_1 FROM {t} LIMIT {p} OFFSET {p}
INSERT OR REPLACE INTO {t} (id, {c}) VALUES ({p}, {p})
PRAGMA main.table_info({t})
SELECT {t}.id FROM {t} WHERE {t}.{c} GLOB {p} COLLATE NOCASE
SELECT "{t}".id FROM "{t}" WHERE "{t}".id = {p}
CREATE TABLE IF NOT EXISTS {t}_new (id INTEGER PRIMARY KEY AUTOINCREMENT, {c} TEXT)
SELECT {t}.rowid FROM {t} WHERE {t}.{c} MATCH {p}
""",
}
_PLACES = {"postgresql": ("$1", "%(id_1)s"), "mysql": ("%s",), "sqlite": ("?", ":id_1")}
STATEMENTS: tuple[tuple[str, str], ...] = tuple(
    dict.fromkeys(
        (dialect, shape.format(t=table, c=column, p=place))
        for dialect, places in _PLACES.items()
        for shape in (_SHAPES + _OWN[dialect]).strip().splitlines()
        if shape
        for (table, column), place in product(_TABLES, places)
    )
)
