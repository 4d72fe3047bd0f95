package storage

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	keepFormer = 30 * 24 * time.Hour
	// maxFormer bounds what is kept of one kind for one person. The oldest stay: they are from before a flood, whose last one
	// grows.
	maxFormer = 50
	// holdAddress is how long nobody else gets an address that an account had: it may go back to it as long as a link lives
	// that can do that, which a mail may bring a day late.
	holdAddress = identity.UndoFor + 24*time.Hour
)

// The kinds of former values. undoneKind is none: it remembers what an owner had undone, from since until at.
const (
	formerEmail   = "email"
	formerName    = "name"
	formerFactors = "factors"
	undoneKind    = "undone"
)

// formerValueRow is a part of an account as it was until at.
type formerValueRow struct {
	ID     uuid.UUID `gorm:"primaryKey"`
	UserID uuid.UUID
	Kind   string
	Value  string
	Secret []byte // an authenticator's, sealed
	Since  *micros
	At     micros
}

// TableName is the table's name for GORM.
func (formerValueRow) TableName() string { return "former_values" }

// formerCode is a recovery code among a person's former factors.
type formerCode struct {
	Hash   []byte  `json:"hash"`
	UsedAt *micros `json:"used_at,omitempty"`
}

// formerSet is a person's second factors as they were.
type formerSet struct {
	LastStep    int64        `json:"last_step,omitempty"`
	ConfirmedAt micros       `json:"confirmed_at,omitempty"`
	Codes       []formerCode `json:"codes,omitempty"`
}

// keepFormer keeps a part of an account as it is, before it changes, in the same transaction. What an operator does stands:
// nothing leads back past it.
func (d *DB) keepFormer(ctx context.Context, userID identity.ID, kind string) error {
	if identity.ActorOf(ctx) != "" {
		return d.fail("forget former value",
			d.q(ctx).Where("user_id = ? AND kind = ?", userID, kind).Delete(&formerValueRow{}).Error)
	}
	row := formerValueRow{}
	var err error
	if kind == formerFactors {
		row, err = d.factorsNow(ctx, userID)
	} else {
		_, err = d.one(ctx, []any{&row.Value}, "SELECT "+kind+" FROM users WHERE id = ?", userID)
	}
	if err != nil {
		return d.fail("read former value", err)
	}
	row.UserID, row.Kind, row.At = userID, kind, fromTime(d.Now())
	return d.writeFormer(ctx, row)
}

// writeFormer writes a row. Where the person has as many of its kind as they may, the last one stands for what was since:
// who goes back to any moment of that gets what was there before.
func (d *DB) writeFormer(ctx context.Context, row formerValueRow) error {
	var has int64
	err := d.q(ctx).Model(&formerValueRow{}).Where("user_id = ? AND kind = ?", row.UserID, row.Kind).Count(&has).Error
	if err != nil {
		return d.fail("count former values", err)
	}
	if has >= maxFormer && row.Kind == undoneKind {
		return nil
	}
	if has >= maxFormer {
		return d.fail("stretch former value", d.q(ctx).Exec(`UPDATE former_values SET at = ? WHERE id =
			(SELECT id FROM former_values WHERE user_id = ? AND kind = ? ORDER BY at DESC, id DESC LIMIT 1)`,
			row.At, row.UserID, row.Kind).Error)
	}
	row.ID = identity.NewID()
	row.Secret = d.moved(row.Secret, row.UserID, row.ID)
	return d.fail("keep former value", d.q(ctx).Create(&row).Error)
}

// moved seals a secret of one row for another. What no root secret opens is of no use to anybody.
func (d *DB) moved(sealed []byte, from, to uuid.UUID) []byte {
	secret, err := d.keys.Open(identity.ForFactor, sealed, from[:])
	if err != nil {
		return []byte{}
	}
	return d.keys.Seal(identity.ForFactor, secret, to[:])
}

// factorsNow is a person's factors, as a former value.
func (d *DB) factorsNow(ctx context.Context, userID identity.ID) (row formerValueRow, err error) {
	var totp totpRow
	err = d.q(ctx).Where("user_id = ?", userID).Take(&totp).Error
	if err != nil && !errors.Is(err, gorm.ErrRecordNotFound) {
		return row, err
	}
	var codes []recoveryCodeRow
	if err := d.q(ctx).Where("user_id = ?", userID).Order("hash").Find(&codes).Error; err != nil {
		return row, err
	}
	set := formerSet{LastStep: totp.LastStep, ConfirmedAt: totp.ConfirmedAt}
	for _, c := range codes {
		set.Codes = append(set.Codes, formerCode{c.Hash, c.UsedAt})
	}
	text, err := json.Marshal(set)
	return formerValueRow{UserID: userID, Kind: formerFactors, Value: string(text), Secret: totp.Secret}, err
}

// usedSince returns the recovery codes that were used after a moment, as far as has and the former values say, and the last
// time step.
func (d *DB) usedSince(ctx context.Context, has formerValueRow, since time.Time) (used map[string]*micros, lastStep int64, err error) {
	var rows []formerValueRow
	err = d.q(ctx).Where("user_id = ? AND kind = ? AND at > ?", has.UserID, formerFactors, fromTime(since)).Find(&rows).Error
	used = map[string]*micros{}
	for _, row := range append(rows, has) {
		var set formerSet
		if err := json.Unmarshal([]byte(row.Value), &set); err != nil {
			return nil, 0, err
		}
		lastStep = max(lastStep, set.LastStep)
		for _, c := range set.Codes {
			if c.UsedAt != nil {
				used[string(c.Hash)] = c.UsedAt
			}
		}
	}
	return used, lastStep, err
}

// restoreFactors gives a person the factors that they had, and none that came since that moment. No code is good twice by it,
// and an authenticator that no root secret opens any more is none.
func (d *DB) restoreFactors(ctx context.Context, former, has formerValueRow, since time.Time) error {
	var set formerSet
	if err := json.Unmarshal([]byte(former.Value), &set); err != nil {
		return err
	}
	used, lastStep, err := d.usedSince(ctx, has, since)
	if err != nil {
		return err
	}
	for _, model := range []any{&totpRow{}, &recoveryCodeRow{}} {
		if err := d.q(ctx).Where("user_id = ?", former.UserID).Delete(model).Error; err != nil {
			return err
		}
	}
	if secret := d.moved(former.Secret, former.ID, former.UserID); len(secret) > 0 {
		row := totpRow{former.UserID, secret, max(set.LastStep, lastStep), set.ConfirmedAt}
		if err := d.q(ctx).Create(&row).Error; err != nil {
			return err
		}
	}
	if len(set.Codes) == 0 {
		return nil
	}
	codes := make([]recoveryCodeRow, len(set.Codes))
	for i, c := range set.Codes {
		codes[i] = recoveryCodeRow{former.UserID, c.Hash, cmp.Or(c.UsedAt, used[string(c.Hash)])}
	}
	return d.q(ctx).Create(&codes).Error
}

// former returns the first former value of a kind from after a time: what was then; false where nothing changed since.
func (d *DB) former(ctx context.Context, userID identity.ID, kind string, after time.Time) (row formerValueRow, found bool, err error) {
	err = d.q(ctx).Where("user_id = ? AND kind = ? AND at > ?", userID, kind, fromTime(after)).Order("at, id").Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return row, false, nil
	}
	return row, err == nil, d.fail("read former value", err)
}

// AddressAt returns the address that an account had after all that was done to it until at.
func (d *DB) AddressAt(ctx context.Context, userID identity.ID, at time.Time) (string, error) {
	row, found, err := d.former(ctx, userID, formerEmail, at)
	if err != nil || found {
		return row.Value, err
	}
	user, err := d.UserByID(ctx, userID)
	return user.Email, err
}

// Undone reports whether the same owner had what happened at a moment undone since.
func (d *DB) Undone(ctx context.Context, userID identity.ID, m identity.Moment) (bool, error) {
	var n int64
	err := d.q(ctx).Model(&formerValueRow{}).Where("user_id = ? AND kind = ? AND at > ? AND since <= ? AND value = ?",
		userID, undoneKind, fromTime(m.Before), fromTime(m.Before), m.Email).Count(&n).Error
	return n > 0, d.fail("read what was undone", err)
}

// undoOrder is the order in which an Undoing goes.
var undoOrder = []struct {
	kind string
	part identity.Undoable
}{
	{formerEmail, identity.UndoAddress}, {formerName, identity.UndoName}, {formerFactors, identity.UndoFactors},
}

// Undo takes back what was done to an account after a moment, and names what that was. An address that somebody else has by
// now stays with them. It belongs in a transaction that has locked the user's row.
func (d *DB) Undo(ctx context.Context, u identity.Undoing) (undone []identity.Undoable, err error) {
	for _, o := range undoOrder {
		if o.kind == formerEmail && u.KeepAddress {
			continue
		}
		row, found, err := d.former(ctx, u.UserID, o.kind, u.Since)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		changed, err := d.restore(ctx, row, u.Since)
		if err != nil {
			return nil, err
		}
		if changed {
			undone = append(undone, o.part)
		}
		err = d.q(ctx).Where("user_id = ? AND kind = ? AND at > ?", u.UserID, o.kind, fromTime(u.Since)).
			Delete(&formerValueRow{}).Error
		if err != nil {
			return nil, d.fail("forget former values", err)
		}
	}
	res := d.q(ctx).Where("user_id = ? AND updated_at > ?", u.UserID, fromTime(u.Since)).Delete(&grantRow{})
	if res.RowsAffected > 0 {
		undone = append(undone, identity.UndoConsent)
	}
	if res.Error != nil {
		return nil, d.fail("withdraw consent", res.Error)
	}
	since, until := fromTime(u.Since), u.Until
	if until.IsZero() {
		until = d.Now()
	}
	return undone, d.writeFormer(ctx, formerValueRow{UserID: u.UserID, Kind: undoneKind, Value: u.Owner, Since: &since, At: fromTime(until)})
}

// Changed names what of an account was changed after a moment and Undo would take back.
func (d *DB) Changed(ctx context.Context, userID identity.ID, since time.Time) (changed []identity.Undoable, err error) {
	for _, o := range undoOrder {
		if o.kind == formerEmail {
			continue
		}
		_, found, err := d.former(ctx, userID, o.kind, since)
		if err != nil {
			return nil, err
		}
		if found {
			changed = append(changed, o.part)
		}
	}
	var n int64
	err = d.q(ctx).Model(&grantRow{}).Where("user_id = ? AND updated_at > ?", userID, fromTime(since)).Count(&n).Error
	if n > 0 {
		changed = append(changed, identity.UndoConsent)
	}
	return changed, d.fail("read what was changed", err)
}

// restore gives an account a former value; false where it has it.
func (d *DB) restore(ctx context.Context, row formerValueRow, since time.Time) (changed bool, err error) {
	now := fromTime(d.Now())
	switch row.Kind {
	case formerFactors:
		has, err := d.factorsNow(ctx, row.UserID)
		if err != nil || has.Value == row.Value && len(has.Secret) > 0 == (len(row.Secret) > 0) { // who confirmed at once has one
			return false, d.fail("read factors", err)
		}
		return true, d.fail("restore factors", d.restoreFactors(ctx, row, has, since))
	case formerName:
		res := d.q(ctx).Exec("UPDATE users SET name = ?, updated_at = ? WHERE id = ? AND name <> ?", row.Value, now, row.UserID, row.Value)
		return d.restored(ctx, row.UserID, res)
	}
	// Who only tried to sign up with it meanwhile gives way: nobody can have signed in to that account.
	if err := d.q(ctx).Exec("DELETE FROM users WHERE email = ? AND id <> ? AND "+pending, row.Value, row.UserID).Error; err != nil {
		return false, d.fail("free address", err)
	}
	res := d.q(ctx).Exec(`UPDATE users SET email = ?, email_verified = ?, updated_at = ? WHERE id = ? AND email <> ?
		AND NOT EXISTS (SELECT 1 FROM users o WHERE o.email = ?)`, row.Value, true, now, row.UserID, row.Value, row.Value)
	return d.restored(ctx, row.UserID, res)
}

// restored reports whether a statement changed a person's profile, and marks that it did.
func (d *DB) restored(ctx context.Context, userID identity.ID, res *gorm.DB) (bool, error) {
	if res.Error != nil || res.RowsAffected == 0 {
		return false, d.fail("restore profile", res.Error)
	}
	return true, d.markProfile(ctx, userID)
}

// held reports whether an address may go back to another account, which had it lately.
func (d *DB) held(ctx context.Context, userID identity.ID, email string) (bool, error) {
	var n int64
	spelled := []string{email}
	if former, other := identity.FormerSpelling(email); other {
		spelled = append(spelled, former)
	}
	err := d.q(ctx).Model(&formerValueRow{}).Where("kind = ? AND value IN ? AND at > ? AND user_id <> ?",
		formerEmail, spelled, fromTime(d.Now().Add(-holdAddress)), userID).Count(&n).Error
	return n > 0, d.fail("look for a former address", err)
}

// StartClean takes everything from an account that hangs on it: name, factors, consent, documents, what can be undone,
// mailed links and a role. It belongs in a transaction that has ended what lives.
func (d *DB) StartClean(ctx context.Context, userID identity.ID) error {
	for _, model := range []any{
		&totpRow{}, &recoveryCodeRow{}, &grantRow{}, &documentRow{}, &formerValueRow{}, &mailLinkRow{}, &roleRow{},
	} {
		if err := d.q(ctx).Where("user_id = ?", userID).Delete(model).Error; err != nil {
			return d.fail("start clean", err)
		}
	}
	return d.writeProfile(ctx, userID, "UPDATE users SET name = '', updated_at = ? WHERE id = ?", fromTime(d.Now()), userID)
}
