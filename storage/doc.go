// Package storage keeps everything in one SQL database, SQLite or PostgreSQL: rows, statements, transactions, schema and
// clock. One *DB satisfies the small interfaces that the other packages declare.
//
// Its one rule: decide by writing. Single use and limits are one conditional statement whose affected rows are the verdict;
// nothing reads first and writes then. What differs between the two databases stays in here.
//
// Times are BIGINT microseconds since 1970 in UTC (micros), ids are uuid.UUID in UUID or TEXT columns, JSON is JSONB or
// TEXT, bytes are BYTEA or BLOB: each means the same and compares the same on both.
//
// Outside of the database lies the ending journal alone, which remembers endings that a restored backup forgot.
//
// It must not import anything of ours but identity and mfa, and no other package imports GORM, goose or a driver.
package storage
