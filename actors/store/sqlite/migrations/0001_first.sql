-- Times are nanoseconds since 1970, NULL the zero time. A fleet's name stands in each table.

CREATE TABLE terms (
	fleet TEXT    NOT NULL PRIMARY KEY,
	term  INTEGER NOT NULL CHECK (term > 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE seats (
	fleet    TEXT    NOT NULL REFERENCES terms,
	seat     INTEGER NOT NULL,
	epoch    INTEGER NOT NULL CHECK (epoch >= 0),
	instance TEXT    NOT NULL,
	release  TEXT    NOT NULL,
	since    INTEGER,
	handled  TEXT    NOT NULL, -- a JSON list
	PRIMARY KEY (fleet, seat)
) STRICT, WITHOUT ROWID;

CREATE TABLE releases (
	fleet    TEXT NOT NULL REFERENCES terms,
	release  TEXT NOT NULL,
	state    TEXT NOT NULL CHECK (state IN ('good', 'bad')),
	reason   TEXT NOT NULL,
	cogs     TEXT NOT NULL, -- a JSON list
	evidence TEXT NOT NULL,
	at       INTEGER,
	PRIMARY KEY (fleet, release)
) STRICT, WITHOUT ROWID;

CREATE TABLE logins (
	fleet TEXT    NOT NULL REFERENCES terms,
	hour  INTEGER NOT NULL, -- 0: the zero time
	count INTEGER NOT NULL,
	PRIMARY KEY (fleet, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE clients (
	fleet    TEXT    NOT NULL REFERENCES terms,
	instance TEXT    NOT NULL,
	release  TEXT    NOT NULL,
	library  TEXT    NOT NULL,
	host     TEXT    NOT NULL,
	pid      INTEGER NOT NULL,
	seat     INTEGER NOT NULL,
	first    INTEGER,
	seen     INTEGER,
	PRIMARY KEY (fleet, instance)
) STRICT, WITHOUT ROWID;

CREATE INDEX clients_seen ON clients (seen);

CREATE TABLE caches (
	fleet   TEXT    NOT NULL REFERENCES terms,
	seat    INTEGER NOT NULL,
	number  INTEGER NOT NULL CHECK (number >= 0),
	release TEXT    NOT NULL,
	at      INTEGER,
	size    INTEGER NOT NULL, -- uncompressed
	parts   TEXT    NOT NULL, -- of the JSON text and each attachment, see package packed
	sum     BLOB    NOT NULL, -- SHA-256
	data    BLOB    NOT NULL, -- zstd
	PRIMARY KEY (fleet, seat)
) STRICT;

-- AUTOINCREMENT: the ID of a line that was trimmed never comes back.
CREATE TABLE events (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	fleet   TEXT    NOT NULL REFERENCES terms,
	at      INTEGER,
	event   TEXT    NOT NULL,
	client  TEXT    NOT NULL,
	release TEXT    NOT NULL,
	seat    INTEGER NOT NULL,
	epoch   INTEGER NOT NULL,
	"from"  TEXT    NOT NULL,
	"to"    TEXT    NOT NULL,
	reason  TEXT    NOT NULL,
	detail  TEXT    NOT NULL,
	warn    INTEGER NOT NULL
) STRICT;

CREATE INDEX events_fleet ON events (fleet); -- and the ID, which every index ends with
CREATE INDEX events_at ON events (at);

-- What the store refuses anyway, the database refuses too, whoever writes to it.
CREATE TRIGGER terms_grow BEFORE UPDATE ON terms WHEN NEW.term < OLD.term
BEGIN SELECT RAISE(ABORT, 'a term never goes back'); END;

CREATE TRIGGER epochs_grow BEFORE UPDATE ON seats WHEN NEW.epoch < OLD.epoch
BEGIN SELECT RAISE(ABORT, 'an epoch never goes back'); END;
