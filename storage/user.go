package storage

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
)

const userColumns = "id, sub, email, email_verified, name, password_hash, epoch, disabled_at, created_at, updated_at, " +
	"codes_from, password_set_at, ended_at, end_cause, confirm_first, described"

type userRow struct {
	ID            uuid.UUID `gorm:"primaryKey"`
	Sub           string
	Email         string
	EmailVerified bool
	Name          string
	PasswordHash  string
	Epoch         int
	DisabledAt    *micros
	CreatedAt     micros
	UpdatedAt     micros
	CodesFrom     micros // authorization codes that were issued before are void
	PasswordSetAt *micros
	EndedAt       *micros // when everything of theirs ended last, or all but what was kept
	EndCause      string
	ConfirmFirst  bool
	Described     described
}

// TableName is the table's name for GORM.
func (userRow) TableName() string { return "users" }

// dest is where userColumns go.
func (r *userRow) dest() []any {
	return []any{
		&r.ID, &r.Sub, &r.Email, &r.EmailVerified, &r.Name, &r.PasswordHash, &r.Epoch, &r.DisabledAt, &r.CreatedAt,
		&r.UpdatedAt, &r.CodesFrom, &r.PasswordSetAt, &r.EndedAt, &r.EndCause, &r.ConfirmFirst, &r.Described,
	}
}

func newUserRow(u identity.User) userRow {
	return userRow{
		ID: u.ID, Sub: u.Sub, Email: u.Email, EmailVerified: u.EmailVerified, Name: u.Name,
		PasswordHash: u.PasswordHash, Epoch: u.Epoch, DisabledAt: fromTimeOrNull(u.DisabledAt),
		CreatedAt: fromTime(u.CreatedAt), UpdatedAt: fromTime(u.UpdatedAt), PasswordSetAt: fromTimeOrNull(u.PasswordSetAt),
		ConfirmFirst: u.ConfirmFirst, Described: described(u.Described),
	}
}

func (r userRow) user() identity.User {
	return identity.User{
		ID: r.ID, Sub: r.Sub, Email: r.Email, EmailVerified: r.EmailVerified, Name: r.Name,
		PasswordHash: r.PasswordHash, Epoch: r.Epoch, DisabledAt: r.DisabledAt.timeOrZero(),
		CreatedAt: r.CreatedAt.time(), UpdatedAt: r.UpdatedAt.time(), PasswordSetAt: r.passwordSetAt(),
		ConfirmFirst: r.ConfirmFirst, Described: identity.Described(r.Described),
	}
}

// passwordSetAt knows of accounts from before it was kept only when they were made.
func (r userRow) passwordSetAt() time.Time {
	if r.PasswordSetAt == nil {
		return r.CreatedAt.time()
	}
	return r.PasswordSetAt.time()
}

// CreateUser adds an account. It refuses an e-mail address that is taken, or that another account may go back to: Conflict,
// field "username".
func (d *DB) CreateUser(ctx context.Context, u identity.User) error {
	row := newUserRow(u)
	var err error
	if row.Email, err = d.spelling(ctx, u.Email); err != nil {
		return err
	}
	taken := clause.OnConflict{Columns: []clause.Column{{Name: "email"}}, DoNothing: true}
	return d.InTx(ctx, func(ctx context.Context) error {
		res := d.q(ctx).Clauses(taken).Create(&row)
		if res.Error == nil && res.RowsAffected == 0 {
			return errAddressTaken("username")
		}
		if res.Error != nil {
			return d.fail("create user", res.Error)
		}
		return d.free(ctx, u.ID, row.Email, "username")
	})
}

func errAddressTaken(field string) error {
	return &identity.Error{
		Kind: identity.Conflict, Field: field, Msg: "There is an account with that e-mail address already.",
	}
}

// free refuses an address that another account may go back to, as one that is taken. Operators know whom they give it.
func (d *DB) free(ctx context.Context, userID identity.ID, email, field string) error {
	if identity.ActorOf(ctx) != "" {
		return nil
	}
	held, err := d.held(ctx, userID, email)
	if err == nil && held {
		return errAddressTaken(field)
	}
	return err
}

// UserByEmail returns the account of a cleaned address, or NotFound.
func (d *DB) UserByEmail(ctx context.Context, email string) (identity.User, error) {
	if !keepable(email) {
		return identity.User{}, notFound("user")
	}
	email, err := d.spelling(ctx, email)
	if err != nil {
		return identity.User{}, err
	}
	return d.user(ctx, "email = ?", email)
}

// spelling returns a cleaned address as its account has it: one from before domains were kept in their ASCII form has it as
// the person wrote it. Of any other domain it asks nothing.
func (d *DB) spelling(ctx context.Context, email string) (string, error) {
	former, other := identity.FormerSpelling(email)
	if !other {
		return email, nil
	}
	found := email
	_, err := d.one(ctx, []any{&found}, "SELECT email FROM users WHERE email IN (?, ?) ORDER BY CASE email WHEN ? THEN 0 ELSE 1 END LIMIT 1",
		email, former, email)
	return found, d.fail("look for the spelling of an address", err)
}

// UserByID returns an account, or NotFound.
func (d *DB) UserByID(ctx context.Context, id identity.ID) (identity.User, error) {
	return d.user(ctx, "id = ?", id)
}

// Emails returns the addresses of some people, of those who are still there.
func (d *DB) Emails(ctx context.Context, ids []identity.ID) (map[identity.ID]string, error) {
	var rows []userRow
	if err := d.q(ctx).Select("id", "email").Where("id IN ?", ids).Limit(len(ids)).Find(&rows).Error; err != nil {
		return nil, d.fail("read addresses", err)
	}
	emails := make(map[identity.ID]string, len(rows))
	for _, row := range rows {
		emails[row.ID] = row.Email
	}
	return emails, nil
}

func (d *DB) user(ctx context.Context, where string, arg any) (identity.User, error) {
	var row userRow
	err := d.q(ctx).Where(where, arg).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return identity.User{}, notFound("user")
	}
	return row.user(), d.fail("read user", err)
}

// WritePassword writes a new password hash. Whatever was proved with the old one is RaiseEpoch's and EndUser's to end. Who
// may do that has proved more than who made the account, so that need not be confirmed any more.
func (d *DB) WritePassword(ctx context.Context, userID identity.ID, hash string) error {
	now := fromTime(d.Now())
	return d.writeProfile(ctx, userID, "UPDATE users SET password_hash = ?, password_set_at = ?, updated_at = ?, confirm_first = FALSE WHERE id = ?",
		hash, now, now, userID)
}

// RenewHash writes the same password's hash at another cost. It does nothing where the password was changed meanwhile.
func (d *DB) RenewHash(ctx context.Context, userID identity.ID, old, hash string) error {
	return d.fail("renew password hash",
		d.q(ctx).Exec("UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?", hash, userID, old).Error)
}

// SetUserDisabled locks an account and raises its epoch, or unlocks it for the zero time. It returns false when it was so already, and NotFound
// where there is no such user. It locks the user's row.
func (d *DB) SetUserDisabled(ctx context.Context, userID identity.ID, at time.Time) (bool, error) {
	query := "UPDATE users SET disabled_at = ?, epoch = epoch + 1 WHERE id = ? AND disabled_at IS NULL"
	if at.IsZero() {
		query = "UPDATE users SET disabled_at = ? WHERE id = ? AND disabled_at IS NOT NULL"
	}
	res := d.q(ctx).Exec(query, fromTimeOrNull(at), userID)
	if res.Error != nil || res.RowsAffected > 0 {
		return res.Error == nil, d.fail("lock user", res.Error)
	}
	return false, d.lockUser(ctx, userID)
}

// DeleteUser deletes an account with its SignIns, factors, grants and documents, and its Sessions, and erases the person from
// the Events; of much, Tidy does the rest. What lived must have been ended before. NotFound when there is no such user.
func (d *DB) DeleteUser(ctx context.Context, userID identity.ID) error {
	return d.InTx(ctx, func(ctx context.Context) error {
		var email string
		var ended *micros
		found, err := d.one(ctx, []any{&email, &ended}, "DELETE FROM users WHERE id = ? RETURNING email, ended_at", userID)
		if err == nil && !found {
			return notFound("user")
		}
		if err != nil {
			return d.fail("delete user", err)
		}
		if _, err := d.forgetDeliveries(ctx, aboutAddress(email), 0, strikeAtOnce); err != nil { // whoever asks for them is throttled
			return err
		}
		at := d.Now()
		if ended != nil { // what is told since then is that it ended
			at = ended.time()
		}
		deleted := identity.Ending{User: userID, Cause: identity.EndDeleted, At: at}
		more, err := d.forgetUser(ctx, deleted, strikeAtOnce)
		if err != nil || !more {
			return err
		}
		return d.queueEnding(ctx, blow{Ending: deleted})
	})
}

// forgetUser deletes at most limit of the Sessions of a user who is gone, with a notice to the clients of those that nobody had
// ended, erases them from at most limit of their Events, and deletes at most limit deliveries that tell of them. It reports whether there
// may be more.
func (d *DB) forgetUser(ctx context.Context, e identity.Ending, limit int) (more bool, err error) {
	var gone []struct {
		ID       uuid.UUID
		Sub      string
		ClientID string
		EndedAt  *micros
	}
	err = d.q(ctx).Raw(`DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user_id = ? LIMIT ?)
		RETURNING id, sub, client_id, ended_at`, e.User, limit).Scan(&gone).Error
	if err != nil {
		return false, d.fail("forget sessions", err)
	}
	var notices []identity.LogoutNotice
	for _, s := range gone {
		if s.EndedAt == nil {
			notices = append(notices, identity.LogoutNotice{SessionID: s.ID, Sub: s.Sub, ClientID: s.ClientID})
		}
	}
	if err := d.queueLogouts(ctx, notices); err != nil {
		return false, err
	}
	told, err := d.forgetDeliveries(ctx, aboutUser(e.User), fromTime(e.At), limit)
	if err != nil {
		return false, err
	}
	erased, err := d.eraseEvents(ctx, limit, "user_id = ? AND kind <> ?", e.User, string(identity.UserDeleted))
	return told || len(gone) == limit || erased == limit, err
}

// SetEmail gives an account another address, which counts as verified. Conflict when it is taken, or when another account may
// go back to it. It belongs in a transaction.
func (d *DB) SetEmail(ctx context.Context, userID identity.ID, email string) error {
	if err := d.keepFormer(ctx, userID, formerEmail); err != nil {
		return err
	}
	email, err := d.spelling(ctx, email)
	if err != nil {
		return err
	}
	res := d.q(ctx).Exec("UPDATE users SET email = ?, email_verified = ?, updated_at = ? WHERE id = ?",
		email, true, fromTime(d.Now()), userID)
	if errors.Is(res.Error, gorm.ErrDuplicatedKey) { // on PostgreSQL that ends the transaction, which a refusal does anyway
		return errAddressTaken("")
	}
	if err := d.wrote(res, "user"); err != nil {
		return err
	}
	if err := d.markProfile(ctx, userID); err != nil {
		return err
	}
	return d.free(ctx, userID, email, "")
}

// VerifyEmail notes that the person reads mail that is sent to email; NotFound when the account has another address now.
func (d *DB) VerifyEmail(ctx context.Context, userID identity.ID, email string) error {
	return d.writeProfile(ctx, userID, "UPDATE users SET email_verified = ?, updated_at = ? WHERE id = ? AND email = ?",
		true, fromTime(d.Now()), userID, email)
}

// SetName changes what a person is called. It belongs in a transaction.
func (d *DB) SetName(ctx context.Context, userID identity.ID, name string) error {
	if err := d.keepFormer(ctx, userID, formerName); err != nil {
		return err
	}
	return d.writeProfile(ctx, userID, "UPDATE users SET name = ?, updated_at = ? WHERE id = ?", name, fromTime(d.Now()), userID)
}

// SetDescribed writes what operators say of a person for claims, all of it. NotFound when there is no such person.
func (d *DB) SetDescribed(ctx context.Context, userID identity.ID, said identity.Described) error {
	return d.writeProfile(ctx, userID, "UPDATE users SET described = ?, updated_at = ? WHERE id = ?",
		described(said), fromTime(d.Now()), userID)
}

// writeProfile changes what userinfo tells of a person, and marks that. It refuses (NotFound) when the statement changed no
// row.
func (d *DB) writeProfile(ctx context.Context, userID identity.ID, statement string, args ...any) error {
	return d.InTx(ctx, func(ctx context.Context) error {
		if err := d.wrote(d.q(ctx).Exec(statement, args...), "user"); err != nil {
			return err
		}
		return d.markProfile(ctx, userID)
	})
}

// wrote refuses (NotFound) when a statement changed no row.
func (d *DB) wrote(res *gorm.DB, what string) error {
	if res.Error == nil && res.RowsAffected == 0 {
		return notFound(what)
	}
	return d.fail("change "+what, res.Error)
}

var accountColumns = under("u", userColumns) + ", " + factorsOfUser + `,
	(SELECT count(*) FROM recovery_codes c WHERE c.user_id = u.id AND c.used_at IS NULL),
	(SELECT count(*) FROM sessions s WHERE s.user_id = u.id AND s.epoch = u.epoch AND s.ended_at IS NULL AND s.idle_ends_at > ? AND s.ends_at > ?)`

// Accounts returns people as operators see them, the newest first.
func (d *DB) Accounts(ctx context.Context, q identity.AccountQuery) ([]identity.Account, error) {
	if !keepable(q.Email) || !keepable(q.Starts) || !keepable(q.Sub) {
		return nil, nil
	}
	if q.Starts != "" {
		return d.accountsFrom(ctx, q.Starts, q.Limit)
	}
	var err error
	if q.Email, err = d.spelling(ctx, q.Email); err != nil {
		return nil, err
	}
	c := conditions{where: "TRUE"}
	c.and(q.Email != "", "u.email = ?", q.Email)
	c.and(q.Sub != "", "u.sub = ?", q.Sub)
	c.and(q.ID != uuid.Nil, "u.id = ?", q.ID)
	c.and(q.After != uuid.Nil, "u.id < ?", q.After)
	return d.accounts(ctx, c, q.Limit)
}

// accountsFrom returns the people whose address begins so, by address, byte for byte: the index that finds them is ordered so, whatever
// the database's language is.
func (d *DB) accountsFrom(ctx context.Context, starts string, limit int) ([]identity.Account, error) {
	c, order := conditions{where: "u.email >= ? AND u.email < ?"}, "u.email"
	if d.kind == Postgres {
		c.where, order = "u.email ~>=~ ? AND u.email ~<~ ?", "u.email USING ~<~"
	}
	c.args = []any{starts, starts + "\U0010ffff"}
	return d.accountsBy(ctx, c, order, limit)
}

// AccountByID returns a person as operators see them, or NotFound.
func (d *DB) AccountByID(ctx context.Context, id identity.ID) (identity.Account, error) {
	all, err := d.accounts(ctx, conditions{"u.id = ?", []any{id}}, 1)
	if err == nil && len(all) == 0 {
		return identity.Account{}, notFound("user")
	}
	if err != nil {
		return identity.Account{}, err
	}
	return all[0], nil
}

func (d *DB) accounts(ctx context.Context, c conditions, limit int) ([]identity.Account, error) {
	return d.accountsBy(ctx, c, "u.id DESC", limit)
}

func (d *DB) accountsBy(ctx context.Context, c conditions, order string, limit int) (all []identity.Account, err error) {
	now := fromTime(d.Now())
	args := append([]any{now, now}, c.args...)
	err = d.each(ctx, func(rows *sql.Rows) error {
		var row userRow
		var a identity.Account
		if err := rows.Scan(append(row.dest(), (*factorSet)(&a.Factors), &a.CodesLeft, &a.Sessions)...); err != nil {
			return err
		}
		a.User = row.user()
		all = append(all, a)
		return nil
	}, "SELECT "+accountColumns+" FROM users u WHERE "+c.where+" ORDER BY "+order+" LIMIT ?", append(args, limit)...)
	return all, d.fail("list users", err)
}
