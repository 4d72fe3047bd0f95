package storage

import (
	"database/sql"

	"github.com/sojourn-auth/sojourn/identity"
)

// Models are the rows of every table but sessions, which has SessionColumns.
var Models = []any{
	&installationRow{}, &leaseRow{}, &markRow{}, &markLogRow{}, &deliveryRow{}, &endingRow{}, &documentRow{}, &mailLinkRow{}, &formerValueRow{}, &adminTokenRow{}, &webhookRow{},
	&userRow{}, &signInRow{}, &clientRow{}, &resourceRow{}, &grantRow{}, &roleRow{}, &totpRow{}, &recoveryCodeRow{}, &throttleRow{},
	&signingKeyRow{}, &registrationTokenRow{}, &deniedTokenRow{}, &spentAssertionRow{}, &eventRow{},
	&eventDayRow{}, &eventHeadRow{}, &installationSecretRow{},
	&rollupRow{}, &rolledDayRow{}, &counterRow{},
	&anomalyRow{}, &anomalyHourRow{}, &caseRow{}, &habitRow{},
}

// SessionColumns are the columns of sessions by name; true where NULL is allowed.
func SessionColumns() map[string]bool {
	all := map[string]bool{}
	for _, column := range sessionColumns {
		_, all[column.name] = column.of(&identity.Session{}).(*momentOrNull)
	}
	return all
}

// ColumnLists are the column lists of plain SQL, beside the number of values that each is scanned into.
var ColumnLists = map[string]struct {
	Columns string
	Values  int
}{
	"users":    {userColumns, len((&userRow{}).dest())},
	"sign_ins": {signInColumns, len((&signInRow{}).dest())},
	"sessions": {sessionColumns.names(""), len(sessionColumns)},
}

// Batch is how many rows one statement ends or deletes at most.
const Batch = batch

// MaxUnused is how many clients are kept that never signed anyone in.
const MaxUnused = maxUnused

// WalkPage is how many Sessions one statement of the sweep looks at.
const WalkPage = walkPage

// StrikeAtOnce is how many Sessions an ending writes in its own transaction at most; TidyBatch is how many Tidy does.
const (
	StrikeAtOnce = strikeAtOnce
	TidyBatch    = tidyBatch
)

// MaxClients is how many clients are cached at most.
const MaxClients = maxCached

// CachedClients is how many are.
func (d *DB) CachedClients() int { return len(d.clients.entries) }

// DropClient has the cache forget a client, as every write of it does.
func (d *DB) DropClient(id string) { d.clients.drop(id, d.Now()) }

// Writer is the pool that writes, without GORM.
func (d *DB) Writer() *sql.DB { return d.pools[0] }
