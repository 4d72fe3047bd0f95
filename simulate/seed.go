package simulate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

const (
	// SeedClient is the public app whose Sessions are seeded.
	SeedClient = "seeded-phone"
	// SeedDomain is where nobody has a mailbox (RFC 2606 §2), so that nobody who is real is taken for seeded.
	SeedDomain = "@seeded.invalid"

	seedBatch   = 5_000       // people in one transaction
	maxSeeded   = 100_000_000 // people or Sessions
	maxSeedDays = 400         // Events are kept no longer
	seedSpread  = 7 * 24 * time.Hour
	seedBrowser = "sojourn seed"
)

// SeedOptions say how many people and Sessions a database is to have.
type SeedOptions struct {
	Users, Sessions int
	Events          int    // of the Days before now
	Days            int    // that the app has been in use for; 0: people came within hours
	IntoUsed        bool   // beside people who are real
	PasswordHash    string // of all of them
	Tokens          string // the file that gets refresh tokens; empty: none
	TokensAtMost    int    // evenly from all Sessions
	Lives           identity.Lifetimes
	SignInLives     identity.Lifetimes
	Progress        io.Writer
	Wall            func() time.Time
}

// SeedReport says what was done.
type SeedReport struct {
	Client   string  `json:"client_id"`
	Users    int     `json:"users"`    // that are seeded now
	Found    int     `json:"found"`    // of them, from an earlier seed
	Sessions int     `json:"sessions"` // that were made now
	Events   int     `json:"events"`   // that were made now
	Tokens   int     `json:"tokens"`
	Seconds  float64 `json:"seconds"`
}

// String is the report for people.
func (r SeedReport) String() string {
	return fmt.Sprintf("%d people are seeded, %d of them from before; %d sessions of %s were made in %.1f s, with %d events, and %d tokens written.",
		r.Users, r.Found, r.Sessions, r.Client, r.Seconds, r.Events, r.Tokens)
}

func (o SeedOptions) problems() error {
	switch {
	case o.Users < 1 || o.Users > maxSeeded:
		return fmt.Errorf("--users: between 1 and 100,000,000, not %d", o.Users)
	case o.Sessions < 0 || o.Sessions > maxSeeded:
		return fmt.Errorf("--sessions: between 0 and 100,000,000, not %d", o.Sessions)
	case o.Sessions > o.Users*identity.MaxSessions:
		return fmt.Errorf("--sessions: a person has at most %d of one app, so with %d people at most %d, not %d",
			identity.MaxSessions, o.Users, o.Users*identity.MaxSessions, o.Sessions)
	case o.Events < 0 || o.Events > maxSeeded*10:
		return fmt.Errorf("--events: between 0 and 1,000,000,000, not %d", o.Events)
	case o.Days < 0 || o.Days > maxSeedDays:
		return fmt.Errorf("--days: between 0 and %d, not %d", maxSeedDays, o.Days)
	case o.TokensAtMost < 1:
		return fmt.Errorf("--tokens-at-most: at least 1, not %d", o.TokensAtMost)
	}
	return nil
}

// seeding is a seed under way.
type seeding struct {
	SeedOptions
	db     *storage.DB
	keys   *identity.Keyring
	tokens *os.File
	report SeedReport
}

// Seed fills a migrated database with people and Sessions that are like real ones, in batches: what was interrupted goes on
// when it is asked for again, and a Session's refresh token is a token. What happened is written as Events where some are asked for.
func Seed(ctx context.Context, db *storage.DB, keys *identity.Keyring, o SeedOptions) (SeedReport, error) {
	if err := o.problems(); err != nil {
		return SeedReport{}, err
	}
	s := &seeding{SeedOptions: o, db: db, keys: keys, report: SeedReport{Client: SeedClient}}
	began := o.Wall()
	err := s.begin(ctx)
	if err == nil {
		err = s.plant(ctx)
	}
	if err == nil {
		err = s.happen(ctx)
	}
	if s.tokens != nil {
		err = errors.Join(err, s.tokens.Close())
	}
	if err == nil {
		err = db.Analyze(ctx)
	}
	s.report.Seconds = o.Wall().Sub(began).Seconds()
	return s.report, err
}

// begin looks at the database before anything is written, and opens the file of tokens.
func (s *seeding) begin(ctx context.Context) (err error) {
	var others bool
	if s.report.Found, others, err = s.db.Seeded(ctx, SeedDomain); err != nil {
		return err
	}
	if others && !s.IntoUsed {
		return errors.New("this database has people who were not seeded; a seed wants one of its own. --into-used seeds it all the same")
	}
	if s.report.Found > s.Users {
		return fmt.Errorf("--users: there are %d seeded people already, more than %d; a seed deletes none", s.report.Found, s.Users)
	}
	s.report.Users = s.report.Found
	if s.Tokens != "" {
		if s.tokens, err = openTokens(s.Tokens); err != nil {
			return err
		}
	}
	return s.client(ctx)
}

// openTokens opens a file for its owner alone. Tokens that an interrupted seed wrote stay in front.
func openTokens(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--tokens: %w", err)
	}
	about, err := f.Stat()
	if err == nil && (!about.Mode().IsRegular() || about.Mode().Perm()&0o077 != 0) {
		err = fmt.Errorf("others can read %s, or it is no file: refresh tokens want a file of mode 0600", path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--tokens: %w", err), f.Close())
	}
	return f, nil
}

// client adds the app, or finds that of an earlier seed.
func (s *seeding) client(ctx context.Context) error {
	now := s.db.Now()
	err := s.db.CreateClient(ctx, identity.Client{
		ID: SeedClient, CreatedAt: now, FirstUsedAt: now, Epoch: now.UnixMicro(),
		Metadata: identity.Metadata{
			Name: "Seeded phone", AuthMethod: "none", ApplicationType: "native", RedirectURIs: []string{redirectURI},
			GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
			Scope: "openid offline_access devices", IDTokenAlg: "ES256",
		},
	})
	if identity.KindOf(err) == identity.Conflict {
		return nil
	}
	return err
}

// plant writes batch after batch, each with its tokens once it is committed.
func (s *seeding) plant(ctx context.Context) error {
	client, err := s.db.ClientByID(ctx, SeedClient)
	if err != nil {
		return fmt.Errorf("the client %s: %w", SeedClient, err)
	}
	told := s.Wall()
	for n := s.report.Found; n < s.Users; n = s.report.Users {
		if err := ctx.Err(); err != nil {
			return s.interrupted(err)
		}
		rows, texts := s.batch(client, n, min(n+seedBatch, s.Users))
		if err := s.db.Seed(ctx, rows); err != nil {
			return s.interrupted(err)
		}
		s.report.Users += len(rows)
		for _, row := range rows {
			s.report.Sessions += len(row.Sessions)
		}
		if err := s.write(texts); err != nil {
			return err
		}
		if now := s.Wall(); now.Sub(told) > time.Second {
			told = now
			_, _ = fmt.Fprintf(s.Progress, "%d of %d people, %d sessions\n", s.report.Users, s.Users, s.report.Sessions)
		}
	}
	return nil
}

// interrupted says how to go on.
func (s *seeding) interrupted(err error) error {
	return fmt.Errorf("%d of %d people are seeded, whole; the same command goes on from there: %w", s.report.Users, s.Users, err)
}

func (s *seeding) write(texts []string) error {
	if len(texts) == 0 {
		return nil
	}
	w := bufio.NewWriter(s.tokens)
	for _, text := range texts {
		if _, err := w.WriteString(text + "\n"); err != nil {
			return fmt.Errorf("--tokens: %w", err)
		}
	}
	s.report.Tokens += len(texts)
	return w.Flush()
}

// batch makes the people from one number up to another, and the tokens that are to be written.
func (s *seeding) batch(client identity.Client, from, to int) (all []storage.Seedling, texts []string) {
	every := max(1, (s.Sessions+s.TokensAtMost-1)/s.TokensAtMost)
	for n := from; n < to; n++ {
		p := s.person(n)
		for k := s.before(n); k < s.before(n+1); k++ {
			session, token := s.session(client, p, k)
			p.Sessions = append(p.Sessions, session)
			if s.tokens != nil && k%every == 0 && session.EndedAt.IsZero() {
				texts = append(texts, s.keys.RefreshText(token))
			}
		}
		all = append(all, p)
	}
	return all, texts
}

// before is how many Sessions the first n people have together.
func (s *seeding) before(n int) int { return int(int64(n) * int64(s.Sessions) / int64(s.Users)) }

// share is a number between 0 and 1 for each n, the same each time and evenly spread: those of the golden ratio.
func share(n int) float64 {
	_, part := math.Modf(float64(n) * (math.Phi - 1))
	return part
}

// ago is when the life of the nth thing began: it lies within a week, and not so far back that it is over.
func (s *seeding) ago(n int, idle time.Duration) time.Duration {
	return time.Duration(share(n) * float64(min(seedSpread, idle/2)))
}

// person is an account with a browser that is signed in.
func (s *seeding) person(n int) storage.Seedling {
	now := s.db.Now()
	began := now.Add(-s.ago(n, s.SignInLives.Idle))
	joined := began
	if s.Days > 0 {
		joined = now.Add(-time.Duration(share(n) * float64(time.Duration(s.Days)*24*time.Hour)))
	}
	user := identity.User{
		ID: identity.NewID(), Sub: identity.RandomText(16), Email: "person-" + strconv.Itoa(n) + SeedDomain, EmailVerified: true,
		Name: "Person " + strconv.Itoa(n), PasswordHash: s.PasswordHash, CreatedAt: joined, UpdatedAt: joined, PasswordSetAt: joined,
	}
	ends := began.Add(s.SignInLives.Absolute)
	return storage.Seedling{User: user, SignIn: identity.SignIn{
		ID: identity.NewID(), UserID: user.ID, SecretHash: identity.NewSecret().Hash(), CodeSecretHash: identity.NewSecret().Hash(),
		AMR: identity.PWD, ProvedAt: began, CreatedAt: began, LastUsedAt: began, IdleEndsAt: s.SignInLives.IdleFrom(began, ends),
		EndsAt: ends, Address: addressOf(n), UserAgent: seedBrowser,
	}}
}

// session is the kth Session, and the refresh token that its app would hold.
func (s *seeding) session(client identity.Client, of storage.Seedling, k int) (identity.Session, identity.RefreshToken) {
	now, secret := s.db.Now(), identity.NewSecret()
	began := of.SignIn.CreatedAt
	used := began.Add(time.Duration(share(k) * float64(now.Sub(began))))
	ends := began.Add(s.Lives.Absolute)
	row := identity.Session{
		ID: identity.NewID(), ClientID: client.ID, UserID: of.User.ID, Sub: of.User.Sub, SignInID: of.SignIn.ID,
		SecretHash: secret.Hash(), Scopes: []string{"openid", "offline_access", "devices"}, AMR: identity.PWD, AuthTime: began,
		CreatedAt: began, LastUsedAt: used, IdleEndsAt: s.Lives.IdleFrom(used, ends), EndsAt: ends, Address: of.SignIn.Address,
		UserAgent: seedBrowser, ClientEpoch: client.Epoch,
		Device: identity.Device{Name: "Phone " + strconv.Itoa(k), Model: "Seeded", AppVersion: "1.0"},
	}
	if s.Days > 0 {
		s.aged(&row, of.User.CreatedAt, k)
	}
	return row, identity.NewRefreshToken(row.ID, secret, client.ID)
}
