// Package migrations holds the schema of each kind of database as goose SQL files, numbered alike.
//
// Its one rule: a file that was released never changes; what is wrong in it is put right by the next one.
//
// It must not import anything of ours; only storage and storagetest read it.
package migrations

import "embed"

// Files are sqlite/*.sql and postgres/*.sql.
//
//go:embed sqlite/*.sql postgres/*.sql
var Files embed.FS
