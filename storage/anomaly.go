package storage

import (
	"context"
	"database/sql"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	keepAnomalies = 31 * 24 * time.Hour    // no rule's window is longer
	keepHours     = 9 * 7 * 24 * time.Hour // what is normal in an hour of the week is judged by eight weeks
)

// anomalyRow is when a rule last decided about a subject of its.
type anomalyRow struct {
	Rule    string `gorm:"primaryKey"`
	Subject string `gorm:"primaryKey"`
	At      micros
}

// TableName is the table's name for GORM.
func (anomalyRow) TableName() string { return "anomalies" }

// anomalyHourRow is how often something happened within one hour.
type anomalyHourRow struct {
	Series string `gorm:"primaryKey"`
	Hour   micros `gorm:"primaryKey"`
	N      int64
}

// TableName is the table's name for GORM.
func (anomalyHourRow) TableName() string { return "anomaly_hours" }

// Decide notes that a rule decides about a subject, unless it has done so within its window: of all that come to the same at once, be it
// in several processes, one is first. Nothing is decided about a person who is gone. It belongs in the transaction of what the rule answers.
func (d *DB) Decide(ctx context.Context, by identity.Decision, window time.Duration) (first bool, err error) {
	at := fromTime(by.At)
	res := d.q(ctx).Exec(`INSERT INTO anomalies (rule, subject, at) SELECT CAST(? AS text), CAST(? AS text), CAST(? AS bigint)
		WHERE ? OR EXISTS (SELECT 1 FROM users WHERE id = ?`+d.lock("FOR KEY SHARE")+`)
		ON CONFLICT (rule, subject) DO UPDATE SET at = excluded.at WHERE anomalies.at <= ?`,
		by.Rule, by.Subject, at, by.UserID == identity.ID{}, by.UserID, at-micros(window.Microseconds()))
	return res.RowsAffected == 1, d.fail("decide about an anomaly", res.Error)
}

// CountDecisions returns about how many subjects a rule has decided since a time, and no more than most.
func (d *DB) CountDecisions(ctx context.Context, rule string, since time.Time, most int) (n int, err error) {
	_, err = d.one(ctx, []any{&n}, "SELECT count(*) FROM (SELECT 1 FROM anomalies WHERE rule = ? AND at > ? LIMIT ?) a",
		rule, fromTime(since), most)
	return n, d.fail("count decisions", err)
}

// AskFactor has a person show a second factor once more, in every browser that they are signed in with: what was shown counts no more.
// What lives of their apps goes on.
func (d *DB) AskFactor(ctx context.Context, userID identity.ID) error {
	return d.fail("ask for a second factor", d.q(ctx).Exec(
		"UPDATE sign_ins SET amr = ? WHERE user_id = ? AND ended_at IS NULL AND amr <> ?", identity.PWD, userID, identity.PWD).Error)
}

// Acts is what a person's Events of some kinds, after the first moment of a span and up to its last, come to.
func (d *DB) Acts(ctx context.Context, userID identity.ID, kinds []identity.EventKind, span identity.EventSpan) (times, different int, err error) {
	_, err = d.one(ctx, []any{&times, &different}, `SELECT COALESCE(sum(repeats + 1), 0), count(DISTINCT kind) FROM events
		WHERE user_id = ? AND at > ? AND at <= ? AND kind IN ?`, userID, fromTime(span.Since), fromTime(span.Until), kindNames(kinds))
	return times, different, d.fail("count acts", err)
}

func kindNames(kinds []identity.EventKind) []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return names
}

// lastActive is the newest sign-in of a person before a time, and the newest use of what began before it.
const lastActive = `SELECT (SELECT max(at) FROM events WHERE user_id = u.id AND at < @before AND kind = @kind),
	(SELECT max(last_used_at) FROM sessions WHERE user_id = u.id AND created_at < @before), u.created_at FROM users u WHERE u.id = @user`

// LastActive returns when a person, or an app of theirs, was last active before a time, which is when the account was made where
// neither ever was; zero for nobody. What an app did at that very time counts, where it began before.
func (d *DB) LastActive(ctx context.Context, userID identity.ID, before time.Time) (time.Time, error) {
	var signedIn, used *micros
	var made micros
	found, err := d.one(ctx, []any{&signedIn, &used, &made}, lastActive, sql.Named("before", fromTime(before)),
		sql.Named("kind", string(identity.SignedIn)), sql.Named("user", userID.String()))
	if err != nil || !found {
		return time.Time{}, d.fail("read last activity", err)
	}
	last := made
	for _, at := range []*micros{signedIn, used} {
		if at != nil {
			last = max(last, *at)
		}
	}
	return last.time(), nil
}

// WriteHour keeps how often something happened within an hour; what was kept of it before is replaced.
func (d *DB) WriteHour(ctx context.Context, series string, hour time.Time, n int) error {
	return d.fail("write hour", d.q(ctx).Exec(`INSERT INTO anomaly_hours (series, hour, n) VALUES (?, ?, ?)
		ON CONFLICT (series, hour) DO UPDATE SET n = excluded.n`, series, fromTime(hour), n).Error)
}

// Hours returns how often something happened in each hour since a time of which that is kept.
func (d *DB) Hours(ctx context.Context, series string, since time.Time) (map[time.Time]int, error) {
	var rows []anomalyHourRow
	err := d.q(ctx).Raw("SELECT hour, n FROM anomaly_hours WHERE series = ? AND hour >= ?", series, fromTime(since)).Scan(&rows).Error
	all := make(map[time.Time]int, len(rows))
	for _, r := range rows {
		all[r.Hour.time()] = int(r.N)
	}
	return all, d.fail("read hours", err)
}
