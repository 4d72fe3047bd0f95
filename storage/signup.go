package storage

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// pending is an account that nobody has proved anything of yet.
const pending = "users.confirm_first AND NOT users.email_verified"

// beginUser writes a row in any case, be it one that is there as it is: so a taken address costs what a free one does.
var beginUser = "INSERT INTO users (" + userColumns + ") VALUES (?, ?, ?, FALSE, ?, ?, 0, NULL, ?, ?, 0, ?, NULL, '', TRUE, '{}')" +
	" ON CONFLICT (email) DO UPDATE SET " + strings.Join([]string{
	anew("name", "excluded.name"), anew("password_hash", "excluded.password_hash"), anew("epoch", "users.epoch + 1"),
	anew("created_at", "excluded.created_at"), anew("updated_at", "excluded.updated_at"),
	anew("password_set_at", "excluded.password_set_at"),
}, ", ") + " RETURNING id"

// anew gives a column of an account that is pending a value, and that of any other the one that it has.
func anew(column, value string) string {
	return fmt.Sprintf("%[1]s = CASE WHEN "+pending+" THEN %[2]s ELSE users.%[1]s END", column, value)
}

// BeginUser makes an account that is to be confirmed, anew over one that was not, and returns whose the address is: u.ID
// where it was free. It reports whether another account may go back to the address: then all of that must not stay.
func (d *DB) BeginUser(ctx context.Context, u identity.User) (owner identity.ID, held bool, err error) {
	if u.Email, err = d.spelling(ctx, u.Email); err != nil {
		return owner, false, err
	}
	at := fromTime(u.CreatedAt)
	_, err = d.one(ctx, []any{(*uuid.UUID)(&owner)}, beginUser, u.ID, u.Sub, u.Email, u.Name, u.PasswordHash, at, at, at)
	if err != nil {
		return owner, false, d.fail("begin user", err)
	}
	held, err = d.held(ctx, owner, u.Email)
	return owner, held, err
}

// LetIn notes that an account needs no confirmation any more.
func (d *DB) LetIn(ctx context.Context, userID identity.ID) error {
	return d.wrote(d.q(ctx).Exec("UPDATE users SET confirm_first = FALSE WHERE id = ?", userID), "user")
}

// SweepUnconfirmed deletes accounts that were made before a time and that nobody confirmed, with an Event each, and returns
// how many those were: their addresses are free again. Nobody can have signed in to one.
func (d *DB) SweepUnconfirmed(ctx context.Context, before time.Time) (total int, err error) {
	for more := true; more; {
		err := d.InTx(ctx, func(ctx context.Context) error {
			swept, err := d.sweepUnconfirmed(ctx, before)
			total, more = total+swept, swept == batch
			return err
		})
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (d *DB) sweepUnconfirmed(ctx context.Context, before time.Time) (int, error) {
	now := d.Now()
	var ids []uuid.UUID
	old := d.doomed("users", pending+" AND created_at < ?", "created_at")
	err := d.q(ctx).Raw("DELETE FROM users WHERE "+old+" RETURNING id", fromTime(before)).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return 0, d.fail("sweep unconfirmed accounts", err)
	}
	events := make([]identity.Event, len(ids))
	for i, id := range ids {
		events[i] = identity.Event{ID: identity.NewID(), At: now, Kind: identity.UserDeleted, UserID: id, Detail: "never confirmed"}
	}
	for erased := batch; erased == batch; {
		if erased, err = d.eraseEvents(ctx, batch, "user_id IN ?", ids); err != nil {
			return 0, err
		}
	}
	return len(ids), d.addEvents(ctx, events)
}
