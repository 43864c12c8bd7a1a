-- Releases that somebody deployed have a generation, and are unproven at first.
CREATE TABLE releases_2 (
	fleet      TEXT    NOT NULL REFERENCES terms,
	release    TEXT    NOT NULL,
	generation INTEGER NOT NULL,
	state      TEXT    NOT NULL CHECK (state IN ('unproven', 'good', 'bad')),
	reason     TEXT    NOT NULL,
	cogs       TEXT    NOT NULL, -- a JSON list
	evidence   TEXT    NOT NULL,
	at         INTEGER,
	PRIMARY KEY (fleet, release)
) STRICT, WITHOUT ROWID;

INSERT INTO releases_2 SELECT fleet, release, 0, state, reason, cogs, evidence, at FROM releases;
DROP TABLE releases;
ALTER TABLE releases_2 RENAME TO releases;

-- Where a fleet's rollout stands is read and written as a whole, by the rules alone.
CREATE TABLE rollouts (
	fleet  TEXT NOT NULL PRIMARY KEY REFERENCES terms,
	record TEXT NOT NULL -- a JSON object
) STRICT, WITHOUT ROWID;

CREATE TABLE processes (
	fleet    TEXT    NOT NULL REFERENCES terms,
	instance TEXT    NOT NULL,
	release  TEXT    NOT NULL,
	seat     INTEGER NOT NULL,
	number   INTEGER NOT NULL,
	retired  INTEGER NOT NULL,
	at       INTEGER,
	PRIMARY KEY (fleet, instance)
) STRICT, WITHOUT ROWID;
