// Package storagetest gives every test its own fresh, migrated database: a SQLite file, and a PostgreSQL database cloned
// from a template on the server that SOJOURN_TEST_POSTGRES names.
//
// Its one rule: tests run on the real thing, on both. Where no server is named the PostgreSQL half is skipped for all to
// see, and fails in CI.
//
// It must not be imported but by tests.
package storagetest
