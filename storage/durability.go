package storage

import (
	"context"
	"fmt"
)

// endingsAtRisk asks PostgreSQL how an ending that was answered could be lost. Who receives rows and not the log itself
// (a logical subscriber), or copies it for a backup, is never promoted.
const endingsAtRisk = `SELECT current_setting('fsync'), current_setting('synchronous_commit'),
	current_setting('synchronous_standby_names'), (SELECT count(*) FROM pg_stat_replication
		WHERE coalesce(state, 'streaming') IN ('streaming', 'catchup') AND pid NOT IN (
			SELECT active_pid FROM pg_replication_slots WHERE slot_type = 'logical' AND active_pid IS NOT NULL))`

// EndingsAtRisk returns a sentence for each way in which the database as it is set up could lose an ending that was
// answered; none on SQLite, which writes each to the disk.
func (d *DB) EndingsAtRisk(ctx context.Context) (risks []string, err error) {
	if d.kind != Postgres {
		return nil, nil
	}
	var fsync, commit, standbys string
	var replicas int
	if _, err := d.one(ctx, []any{&fsync, &commit, &standbys, &replicas}, endingsAtRisk); err != nil {
		return nil, d.fail("ask how durable the database is", err)
	}
	if fsync == "off" {
		risks = append(risks, "PostgreSQL runs with fsync = off: a power cut can lose anything. Set it to on.")
	}
	if commit == "off" {
		risks = append(risks, "PostgreSQL runs with synchronous_commit = off: a crash can bring ended sessions back to life. "+
			"Set it to on; refreshes alone commit without waiting, by themselves.")
	}
	if replicas > 0 && (standbys == "" || commit == "local") {
		risks = append(risks, fmt.Sprintf("streaming replicas are attached (%d), but no commit waits for one: promoting it "+
			"can bring ended sessions back to life. Set synchronous_standby_names, and synchronous_commit to on.", replicas))
	}
	return risks, nil
}
