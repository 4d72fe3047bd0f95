package storage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// journalled runs f on both kinds of database, with a journal at path.
func journalled(t *testing.T, f func(t *testing.T, db *storage.DB, path string)) {
	t.Helper()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "endings.jsonl")
			db, err := storage.Open(t.Context(), storagetest.DSN(t, kind), storage.Options{
				MaxConns: 8, Keys: storagetest.Keys(t), Journal: path,
			})
			ok(t, err)
			t.Cleanup(func() { ok(t, db.Close()) })
			f(t, db, path)
		})
	}
}

// endings reads a journal, in which nothing may be wrong, and takes the times off.
func endings(t *testing.T, path string) (all []identity.Ending) {
	t.Helper()
	file, err := os.Open(path)
	ok(t, err)
	defer file.Close()
	for e, err := range storage.ReadEndings(file) {
		ok(t, err)
		if age := time.Since(e.At); age < -time.Minute || age > time.Minute {
			t.Errorf("it happened %v ago", age)
		}
		e.At = time.Time{}
		all = append(all, e)
	}
	return all
}

func TestJournal_tellsEveryEnding(t *testing.T) {
	t.Parallel()
	journalled(t, func(t *testing.T, db *storage.DB, path string) {
		p := someone(t, db)
		s := p.begin(t, db, "offline_access")
		for range 2 {
			must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndReuse}))
			ok(t, storagetest.EndSignIn(t.Context(), db, p.signIn.ID, identity.EndSignedOut))
		}
		ok(t, storagetest.SetPassword(t.Context(), db, p.user.ID, "other"))
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{
			SignIn: p.signIn.ID, Cause: identity.EndDevice, Offline: true, With: s.ID, // over already: nothing to tell
		}))
		next := fresh(p.signIn)
		next.Epoch++
		ok(t, db.StartSignIn(t.Context(), next))
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{
			User: p.user.ID, Cause: identity.EndDevice, Keep: next.ID, KeepSessions: true,
		}))
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{User: p.user.ID, Cause: identity.EndConsent, Of: "app"}))
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{
			SignIn: next.ID, Cause: identity.EndDevice, Offline: true, With: s.ID,
		}))
		ok(t, db.DeleteClient(t.Context(), "app"))
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: identity.NewID(), Cause: identity.EndReuse}))
		same(t, []identity.Ending{
			{Session: s.ID, Cause: identity.EndReuse},
			{SignIn: p.signIn.ID, Cause: identity.EndSignedOut},
			{User: p.user.ID, Cause: identity.EndPassword},
			{User: p.user.ID, Cause: identity.EndDevice, Keep: next.ID, KeepSessions: true},
			{User: p.user.ID, Cause: identity.EndConsent, Of: "app"},
			{SignIn: next.ID, Cause: identity.EndDevice, Offline: true, With: s.ID},
			{Client: "app", Cause: identity.EndClientGone},
		}, endings(t, path))
		info, err := os.Stat(path)
		ok(t, err)
		if info.Mode().Perm() != 0o600 || db.JournalFailures() != 0 {
			t.Errorf("mode %v, %d failures", info.Mode().Perm(), db.JournalFailures())
		}
	})
}

func TestJournal_tellsWhatWasCommittedAlone(t *testing.T) {
	t.Parallel()
	journalled(t, func(t *testing.T, db *storage.DB, path string) {
		p := someone(t, db)
		for _, verdict := range []error{errNo, nil} {
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				err := db.InTx(ctx, func(ctx context.Context) error { return storagetest.SetPassword(ctx, db, p.user.ID, "other") })
				if told := endings(t, path); len(told) > 0 {
					t.Errorf("told before the commit: %v", told)
				}
				return errors.Join(err, verdict)
			})
			if !errors.Is(err, verdict) {
				t.Fatal(err)
			}
		}
		same(t, []identity.Ending{{User: p.user.ID, Cause: identity.EndPassword}}, endings(t, path))
	})
}

func TestJournal_manyAtOnceEachGetALine(t *testing.T) {
	t.Parallel()
	journalled(t, func(t *testing.T, db *storage.DB, path string) {
		p := someone(t, db)
		sessions := make([]identity.Session, 16)
		for i := range sessions {
			sessions[i] = p.begin(t, db, "offline_access")
		}
		race(func(i int) bool {
			return struck(t, db, identity.Ending{Session: sessions[i].ID, Cause: identity.EndRevoked}) != 0
		})
		if told := endings(t, path); len(told) != 16 {
			t.Errorf("16 endings left %d lines", len(told))
		}
	})
}

// The folder goes away under the server: the ending holds, and the operator is told.
func TestJournal_thatCannotBeWrittenEndsNothingLess(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gone")
	ok(t, os.Mkdir(dir, 0o700))
	var log bytes.Buffer
	db := must[*storage.DB](t)(storage.Open(t.Context(), storagetest.DSN(t, storage.SQLite), storage.Options{
		Journal: filepath.Join(dir, "endings.jsonl"), Log: slog.New(slog.NewJSONHandler(&log, nil)),
	}))
	t.Cleanup(func() { ok(t, db.Close()) })
	s := someone(t, db).begin(t, db, "offline_access")
	ok(t, os.RemoveAll(dir))
	if struck(t, db, identity.Ending{Session: s.ID, Cause: identity.EndRevoked}) == 0 || db.JournalFailures() != 1 {
		t.Errorf("%d failures", db.JournalFailures())
	}
	if !strings.Contains(log.String(), `"level":"ERROR"`) || !strings.Contains(log.String(), s.ID.String()) {
		t.Errorf("logged: %s", &log)
	}
	_, err := storage.Open(t.Context(), storagetest.DSN(t, storage.SQLite), storage.Options{Journal: filepath.Join(dir, "endings.jsonl")})
	if err == nil || !strings.Contains(err.Error(), "ending journal") {
		t.Errorf("a journal that can't be opened at the start: %v", err)
	}
}

// Power fails in the middle of a line, then the server starts again.
// An ending is told once its line is on the disk: where that cannot be had, as of a device, it counts as missing.
func TestJournal_isWrittenThroughToTheDisk(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("another system may take a device for a disk")
	}
	db, err := storage.Open(t.Context(), storagetest.DSN(t, storage.SQLite), storage.Options{Keys: storagetest.Keys(t), Journal: os.DevNull})
	ok(t, err)
	t.Cleanup(func() { ok(t, db.Close()) })
	s := someone(t, db).begin(t, db, "offline_access")
	if struck(t, db, identity.Ending{Session: s.ID, Cause: identity.EndRevoked}) == 0 || db.JournalFailures() != 1 {
		t.Errorf("%d failures, want one", db.JournalFailures())
	}
}

func TestJournal_goesOnBehindATornLine(t *testing.T) {
	t.Parallel()
	journalled(t, func(t *testing.T, db *storage.DB, path string) {
		p := someone(t, db)
		first, second := p.begin(t, db, "offline_access"), p.begin(t, db, "offline_access")
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: first.ID, Cause: identity.EndRevoked}))
		text := must[[]byte](t)(os.ReadFile(path))
		ok(t, os.WriteFile(path, append(text, text[:len(text)-7]...), 0o600))
		if told := endings(t, path); len(told) != 1 {
			t.Errorf("beside a torn last line stand %v", told)
		}
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: second.ID, Cause: identity.EndRevoked}))
		told, wrong := readAll(string(must[[]byte](t)(os.ReadFile(path))))
		if len(told) != 2 || told[1].Session != second.ID || len(wrong) != 1 || wrong[0].Line != 2 {
			t.Errorf("told %v, wrong %v", told, wrong)
		}
	})
}

// readAll reads a journal from memory.
func readAll(text string) (told []identity.Ending, wrong []*storage.MalformedEnding) {
	for e, err := range storage.ReadEndings(strings.NewReader(text)) {
		if malformed, ok := errors.AsType[*storage.MalformedEnding](err); ok {
			wrong = append(wrong, malformed)
		} else if err == nil {
			told = append(told, e)
		}
	}
	return told, wrong
}

func TestReadEndings_namesTheLinesThatTellNone(t *testing.T) {
	t.Parallel()
	const fine = `{"at":"2026-01-02T15:04:05Z","client":"notes","cause":"client_deleted","since":"a later version"}`
	for line, says := range map[string]string{
		"nonsense":                "is not JSON like",
		`{"at":"yesterday"}`:      "is not JSON like",
		fine + fine:               "is not JSON like",
		strings.Repeat("x", 5000): "is not JSON like",
		`{"at":"2026-01-02T15:04:05Z","cause":"reuse"}`:                                                 "one is right",
		strings.Replace(fine, `"since":`, `"user":"0190163d-8694-739b-aea5-966c26f8ad91","x":`, 1):      "one is right",
		strings.Replace(fine, `"at"`, `"on"`, 1):                                                        `no time "at"`,
		strings.Replace(fine, "client_deleted", "", 1):                                                  `no "cause"`,
		strings.Replace(fine, "client_deleted", strings.Repeat("x", 65), 1):                             `no "cause"`,
		strings.Replace(fine, "notes", strings.Repeat("x", identity.MaxClientURL+1), 1):                 "too long",
		strings.Replace(fine, "notes", `a\u0000b`, 1):                                                   "no text",
		strings.Replace(fine, `"client":"notes"`, `"session":"0190163d-8694-739b-aea5-966c26f8ad9"`, 1): "is not JSON like",
	} {
		told, wrong := readAll(fine + "\n\n" + line + "\r\n" + fine)
		if len(told) != 2 || len(wrong) != 1 || wrong[0].Line != 3 || !strings.Contains(wrong[0].Error(), says) {
			t.Errorf("%s: told %d, wrong %v", line, len(told), wrong)
		}
	}
}

// What is written is read again, also of a client that publishes itself at the longest address that one may have.
func TestJournal_ofTheLongestClientIsReadAgain(t *testing.T) {
	t.Parallel()
	journalled(t, func(t *testing.T, db *storage.DB, path string) {
		p, client := someone(t, db), "https://app.example/"
		client += strings.Repeat("x", identity.MaxClientURL-len(client))
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{User: p.user.ID, Cause: identity.EndConsent, Of: client}))
		told, wrong := readAll(string(must[[]byte](t)(os.ReadFile(path))))
		if len(told) != 1 || told[0].Of != client || len(wrong) > 0 {
			t.Errorf("told %v, wrong %v", told, wrong)
		}
	})
}

func TestReadEndings_reportsAReaderThatBreaks(t *testing.T) {
	t.Parallel()
	n := 0
	for _, err := range storage.ReadEndings(brokenReader{}) {
		if n++; !errors.Is(err, errNo) {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("yielded %d times", n)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errNo }

func FuzzReadEndings(f *testing.F) {
	f.Add("")
	f.Add("{\"at\":\"2026-01-02T15:04:05Z\",\"client\":\"a\",\"cause\":\"reuse\"}\nx\n\n{")
	f.Add(strings.Repeat("x", 4096) + "\n" + strings.Repeat("y", 9000))
	f.Fuzz(func(t *testing.T, text string) {
		told, wrong := readAll(text)
		if lines := strings.Count(text, "\n") + 1; len(told)+len(wrong) > lines {
			t.Fatalf("%d of %d lines", len(told)+len(wrong), lines)
		}
		last := 0
		for _, w := range wrong {
			if w.Line <= last || len(w.Error()) > 200 {
				t.Fatalf("%v after line %d", w, last)
			}
			last = w.Line
		}
		for _, e := range told { // what was understood says the same when it is written again
			line, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			again, _ := readAll(string(line))
			if len(again) != 1 || fmt.Sprint(again[0]) != fmt.Sprint(e) {
				t.Fatalf("%v became %v", e, again)
			}
		}
	})
}

// afterRestore is a person's four Sessions that live again, the last of them younger than the ending.
type afterRestore struct{ one, online, offline, younger identity.Session }

// replay is an ending of the journal, and what its replay ends.
type replay struct {
	ending func(p person, s afterRestore) identity.Ending
	ended  func(s afterRestore) []identity.Session
	want   replayed
}

func TestReplay_endsWhatLivesAgainAndNothingYounger(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]replay{
		"a session": {
			func(_ person, s afterRestore) identity.Ending { return identity.Ending{Session: s.one.ID} },
			func(s afterRestore) []identity.Session { return []identity.Session{s.one} },
			replayed{Sessions: 1},
		},
		"a sign-in": {
			func(p person, _ afterRestore) identity.Ending { return identity.Ending{SignIn: p.signIn.ID} },
			func(s afterRestore) []identity.Session { return []identity.Session{s.online} },
			replayed{Sessions: 1, SignIns: 1},
		},
		"a user": {
			func(p person, _ afterRestore) identity.Ending { return identity.Ending{User: p.user.ID} },
			func(s afterRestore) []identity.Session { return []identity.Session{s.one, s.online, s.offline} },
			replayed{Sessions: 3, SignIns: 1},
		},
		"a sign-in with all that began from it": {
			func(p person, _ afterRestore) identity.Ending {
				return identity.Ending{SignIn: p.signIn.ID, Offline: true}
			},
			func(s afterRestore) []identity.Session { // a sign-in that had ended can't have begun the younger one
				return []identity.Session{s.one, s.online, s.offline, s.younger}
			},
			replayed{Sessions: 4, SignIns: 1},
		},
		"a user but for one sign-in": {
			func(p person, _ afterRestore) identity.Ending {
				return identity.Ending{User: p.user.ID, Keep: p.signIn.ID}
			},
			func(s afterRestore) []identity.Session { return []identity.Session{s.one, s.online, s.offline} },
			replayed{Sessions: 3},
		},
		"a user but for one device": {
			func(p person, _ afterRestore) identity.Ending {
				return identity.Ending{User: p.user.ID, Keep: p.signIn.ID, KeepSessions: true}
			},
			func(afterRestore) []identity.Session { return nil },
			replayed{},
		},
		"a user's sessions of a client": {
			func(p person, _ afterRestore) identity.Ending { return identity.Ending{User: p.user.ID, Of: "app"} },
			func(s afterRestore) []identity.Session { return []identity.Session{s.one, s.online, s.offline} },
			replayed{Sessions: 3},
		},
		"a user's sessions of another client": {
			func(p person, _ afterRestore) identity.Ending { return identity.Ending{User: p.user.ID, Of: "other"} },
			func(afterRestore) []identity.Session { return nil },
			replayed{},
		},
		"a client": {
			func(person, afterRestore) identity.Ending { return identity.Ending{Client: "app"} },
			func(s afterRestore) []identity.Session { return []identity.Session{s.one, s.online, s.offline} },
			replayed{Sessions: 3},
		},
		"what was never there": {
			func(person, afterRestore) identity.Ending { return identity.Ending{User: identity.NewID()} },
			func(afterRestore) []identity.Session { return nil },
			replayed{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onWatch(t, c.check)
		})
	}
}

// replayed counts what a replay ended.
type replayed struct{ Sessions, SignIns int }

func (c replay) check(t *testing.T, db *storage.DB, w *watch) {
	t.Helper()
	p := someone(t, db)
	s := afterRestore{
		one: p.begin(t, db, "offline_access"), online: p.begin(t, db, "openid"), offline: p.begin(t, db, "offline_access"),
	}
	e := c.ending(p, s)
	e.At, e.Cause = w.Now(), identity.EndLocked
	w.pass(time.Second)
	s.younger = p.begin(t, db, "offline_access")
	for _, want := range []replayed{c.want, {}} {
		got := must[identity.Struck](t)(db.End(t.Context(), e))
		same(t, want, replayed{len(got.Sessions), got.SignIns})
	}
	ended := c.ended(s)
	if left := p.living(t, db); left != int64(4-len(ended)) {
		t.Errorf("%d live on", left)
	}
	for _, gone := range ended {
		if got := must[identity.Session](t)(db.SessionByID(t.Context(), gone.ID)); got.EndCause != identity.EndLocked {
			t.Errorf("ended by %q", got.EndCause)
		}
	}
	if told := p.told(t, db, identity.SessionEnded, identity.EndLocked); told != len(ended) {
		t.Errorf("%d events", told)
	}
}

func TestReplay_addsNothingToTheJournal(t *testing.T) {
	t.Parallel()
	journalled(t, func(t *testing.T, db *storage.DB, path string) {
		s := someone(t, db).begin(t, db, "offline_access")
		_, err := db.End(t.Context(), identity.Ending{At: db.Now(), Session: s.ID, Cause: identity.EndRevoked})
		ok(t, err)
		if told := endings(t, path); len(told) > 0 {
			t.Errorf("a replay would read for ever: %v", told)
		}
	})
}

func TestSessions_listsWhatLives(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p, other := someone(t, db), someone(t, db)
		p.begin(t, db, "openid") // until tomorrow
		w.pass(25 * time.Hour)
		other.signIn.ID = identity.NewID()
		other.signIn.EndsAt = w.Now().Add(time.Hour)
		ok(t, db.StartSignIn(t.Context(), other.signIn))
		p.signIn.ID, p.signIn.EndsAt = identity.NewID(), other.signIn.EndsAt
		ok(t, db.StartSignIn(t.Context(), p.signIn))
		first, foreign, gone, last := p.begin(t, db, "openid"), other.begin(t, db, "offline_access"), p.begin(t, db, "openid"), p.begin(t, db, "openid")
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: gone.ID, Cause: identity.EndOperator}))
		live := func(s identity.Session, p person) identity.Live { return identity.Live{Session: s, User: p.user} }
		same(t, []identity.Live{live(last, p), live(first, p)}, must[[]identity.Live](t)(db.FindSessions(t.Context(), identity.SessionQuery{UserID: p.user.ID, Limit: 10})))
		same(t, []identity.Live{live(last, p), live(foreign, other)},
			must[[]identity.Live](t)(db.FindSessions(t.Context(), identity.SessionQuery{Limit: 2})))
	})
}
