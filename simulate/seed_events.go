package simulate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	eventBatch = 50_000    // Events in one transaction
	maxCast    = 1_000_000 // Sessions that Events tell of, with their people
)

// seededKinds are what happens, each as often of a hundred as it stands here. Refreshes write none.
var seededKinds = []struct {
	of     int
	kind   identity.EventKind
	detail string
}{
	{45, identity.SignedIn, "pwd"},
	{18, identity.SessionForked, ""},
	{12, identity.SessionEnded, string(identity.EndSignedOut)},
	{6, identity.SessionEnded, string(identity.EndDevice)},
	{1, identity.SessionEnded, string(identity.EndReuse)},
	{8, identity.PasswordRefused, "sign-in"},
	{4, identity.NewBrowser, ""},
	{2, identity.ConsentGiven, ""},
	{2, identity.ProfileChanged, ""},
	{1, identity.PasswordChanged, ""},
	{1, identity.FactorAdded, "totp"},
}

// happen writes the Events of the days before now, evenly, from the oldest on, as they would have come: each transaction has
// those of a stretch of time, and the newest one says where an interrupted seed goes on.
func (s *seeding) happen(ctx context.Context) error {
	if s.Events == 0 {
		return nil
	}
	cast, err := s.db.SeededSessions(ctx, SeedClient, maxCast)
	if err != nil {
		return err
	}
	if len(cast) == 0 {
		return errors.New("--events: they tell of sessions, so there must be seeded ones")
	}
	step := time.Duration(max(s.Days, 1)) * 24 * time.Hour / time.Duration(s.Events)
	first, next, err := s.eventsSoFar(ctx, step)
	if err != nil {
		return err
	}
	told := s.Wall()
	for ; next < s.Events; next += eventBatch {
		var batch []identity.Event
		for n := next; n < min(next+eventBatch, s.Events); n++ {
			batch = append(batch, seededEvent(n, first.Add(time.Duration(n)*step), cast[int(chance(n, 0)*float64(len(cast)))]))
		}
		if err := errors.Join(ctx.Err(), s.db.SeedEvents(ctx, batch)); err != nil {
			return fmt.Errorf("%d of %d events are seeded; the same command goes on from there: %w", next, s.Events, err)
		}
		s.report.Events += len(batch)
		if now := s.Wall(); now.Sub(told) > time.Second {
			told = now
			_, _ = fmt.Fprintf(s.Progress, "%d of %d events\n", next+len(batch), s.Events)
		}
	}
	return nil
}

// eventsSoFar says when the first Event is, and which one comes next: that after the newest.
func (s *seeding) eventsSoFar(ctx context.Context, step time.Duration) (first time.Time, next int, err error) {
	first, last, ours, err := s.db.SeededEvents(ctx, seedBrowser)
	switch {
	case err != nil:
		return first, 0, err
	case first.IsZero():
		return s.db.Now().Add(-time.Duration(s.Events) * step), 0, nil
	case !ours:
		return first, 0, errors.New("--events: this database has events that were not seeded; others would come between them")
	}
	return first, int((last.Sub(first)+step/2)/step) + 1, nil // times are kept in microseconds
}

// seededEvent is the nth: of which kind is as good as by chance, and the same each time.
func seededEvent(n int, at time.Time, of identity.Session) identity.Event {
	e := identity.Event{
		ID: idAt(at), At: at, UserID: of.UserID, SessionID: of.ID, ClientID: SeedClient, Address: addressOf(n % 1_000_000), Browser: seedBrowser,
	}
	left := int(chance(n, 1) * 100)
	for _, k := range seededKinds {
		if left -= k.of; left < 0 {
			e.Kind, e.Detail = k.kind, k.detail
			break
		}
	}
	return e
}

// chance is a number between 0 and 1 for each n and purpose, the same each time, of which none says anything about another
// (SplitMix64).
func chance(n, purpose int) float64 {
	x := uint64(n)*0x9E3779B97F4A7C15 + uint64(purpose)*0xD1B54A32D192ED03 // it wraps around
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return float64((x^x>>31)>>11) / (1 << 53)
}

// idAt is an id as it would have been made at a time (RFC 9562 §5.7).
func idAt(at time.Time) identity.ID {
	id := uuid.Must(uuid.NewV7())
	var millis [8]byte
	binary.BigEndian.PutUint64(millis[:], uint64(at.UnixMilli()))
	copy(id[:6], millis[2:])
	return id
}

// seededVersions are the versions of an app that has been in the field for long, the newest first.
var seededVersions = []string{"4.2.0", "4.1.3", "4.1.0", "4.0.1", "3.9.7"}

// aged has a Session have begun within the days, been used on some of them, and, one in ten, be over for less than a month.
func (s *seeding) aged(row *identity.Session, since time.Time, k int) {
	now := s.db.Now()
	age := min(now.Sub(since), s.Lives.Absolute*9/10)
	row.CreatedAt = now.Add(-time.Duration(chance(k, 2) * float64(age)))
	row.AuthTime, row.EndsAt = row.CreatedAt, row.CreatedAt.Add(s.Lives.Absolute)
	idle := min(now.Sub(row.CreatedAt), s.Lives.Idle*9/10)
	row.LastUsedAt = now.Add(-time.Duration(chance(k, 3) * chance(k, 4) * chance(k, 5) * float64(idle))) // most were used lately
	row.Device.AppVersion = seededVersions[int(chance(k, 6)*chance(k, 7)*float64(len(seededVersions)))]
	row.Platform = []string{"Android", "iOS"}[int(chance(k, 13)*2)]
	if chance(k, 12) < .1 {
		s.over(row, k)
	}
	row.IdleEndsAt = s.Lives.IdleFrom(row.LastUsedAt, row.EndsAt)
	first, last := s.db.Calendar().DayOf(row.CreatedAt), s.db.Calendar().DayOf(row.LastUsedAt)
	row.Active = identity.ActiveOn(max(first, last-identity.ActiveDays+1))
	for day := row.Active.Day; day < last; day += identity.Day(1 + chance(k, 14)*3) {
		row.Active = row.Active.Used(day)
	}
	row.Active = row.Active.Used(last)
}

// over ends a Session. Its app hears of it at its next refresh, hours later.
func (s *seeding) over(row *identity.Session, k int) {
	causes := []identity.EndCause{identity.EndDevice, identity.EndPassword, identity.EndSignedOut, identity.EndReset, identity.EndDevice, identity.EndReuse}
	now := s.db.Now()
	span := min(now.Sub(row.CreatedAt), 29*24*time.Hour)
	row.EndedAt = now.Add(-time.Duration(chance(k, 8) * float64(span)))
	row.EndCause = causes[int(chance(k, 11)*float64(len(causes)))]
	row.LastUsedAt = row.CreatedAt.Add(time.Duration(chance(k, 9) * float64(row.EndedAt.Sub(row.CreatedAt))))
	if told := row.EndedAt.Add(time.Duration(chance(k, 10) * float64(12*time.Hour))); row.EndCause != identity.EndSignedOut && told.Before(now) {
		row.ToldAt, row.ToldWhy, row.RefusedAt = told, string(row.EndCause), told
	}
}
