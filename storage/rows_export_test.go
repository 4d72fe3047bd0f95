package storage

import "database/sql"

// Models are the rows of every table.
var Models = []any{
	&leaseRow{}, &deliveryRow{}, &documentRow{}, &mailLinkRow{}, &adminTokenRow{},
	&userRow{}, &signInRow{}, &clientRow{}, &sessionRow{}, &grantRow{}, &totpRow{}, &recoveryCodeRow{}, &throttleRow{},
	&signingKeyRow{}, &registrationTokenRow{}, &deniedTokenRow{}, &spentAssertionRow{}, &eventRow{},
}

// Lists are the column lists of plain SQL, beside the number of values that each is scanned into.
var Lists = map[string]struct {
	Columns string
	Values  int
}{
	"users":    {userColumns, len((&userRow{}).dest())},
	"sign_ins": {signInColumns, len((&signInRow{}).dest())},
	"sessions": {sessionColumns, len((&sessionRow{}).dest())},
}

// Batch is how many rows one statement ends or deletes at most.
const Batch = batch

// WalkPage is how many Sessions one statement of the sweep looks at.
const WalkPage = walkPage

// EndBatch is how many Sessions one statement ends at most.
const EndBatch = endBatch

// MaxClients is how many clients are cached at most.
const MaxClients = maxClients

// CachedClients is how many are.
func (d *DB) CachedClients() int { return len(d.clients.entries) }

// DropClient has the cache forget a client, as every write of it does.
func (d *DB) DropClient(id string) { d.clients.drop(id, d.Now()) }

// Writer is the pool that writes, without GORM.
func (d *DB) Writer() *sql.DB { return d.pools[0] }
