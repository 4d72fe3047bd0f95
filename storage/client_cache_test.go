package storage_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func nameOf(t *testing.T, db *storage.DB) string {
	t.Helper()
	return must[identity.Client](t)(db.ClientByID(t.Context(), "app")).Name
}

func rename(t *testing.T, db *storage.DB, name string) {
	t.Helper()
	ok(t, db.UpdateClient(t.Context(), identity.Client{ID: "app", Metadata: identity.Metadata{Name: name}}))
}

func TestClientCache_isAtMostASecondBehindOtherServers(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w, dsn := &watch{}, storagetest.DSN(t, kind)
			w.pass(time.Hour)
			db := must[*storage.DB](t)(storage.Open(t.Context(), dsn, storage.Options{Now: w.Now}))
			defer db.Close()
			other := open(t, dsn, 2)
			ok(t, other.CreateClient(t.Context(), identity.Client{ID: "app"}))
			nameOf(t, db)
			rename(t, other, "Changed")
			w.pass(time.Second - time.Microsecond)
			if got := nameOf(t, db); got != "" {
				t.Errorf("it was read again within a second: %q", got)
			}
			w.pass(time.Microsecond)
			if got := nameOf(t, db); got != "Changed" {
				t.Errorf("a second later it is still %q", got)
			}
		})
	}
}

func TestClientCache_seesItsOwnWritesAtOnce(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		ok(t, db.CreateClient(t.Context(), identity.Client{ID: "app"}))
		w.pass(time.Second)
		for i := range 3 {
			nameOf(t, db) // cached
			rename(t, db, fmt.Sprint(i))
			if got := nameOf(t, db); got != fmt.Sprint(i) {
				t.Errorf("got %q, want %d", got, i)
			}
			w.pass(time.Second)
		}
	})
}

// A read between a write and its commit must not bring the old client back for a second.
func TestClientCache_keepsNothingReadDuringAWrite(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t, storage.Postgres)
	ok(t, db.CreateClient(t.Context(), identity.Client{ID: "app"}))
	ok(t, db.InTx(t.Context(), func(ctx context.Context) error {
		err := db.UpdateClient(ctx, identity.Client{ID: "app", Metadata: identity.Metadata{Name: "New"}})
		if got := nameOf(t, db); got != "" {
			t.Errorf("an uncommitted name was read: %q", got)
		}
		return err
	}))
	if got := nameOf(t, db); got != "New" {
		t.Errorf("after the commit it is %q", got)
	}
}

func TestClientCache_keepsNothingOfATransaction(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		ok(t, db.CreateClient(t.Context(), identity.Client{ID: "app"}))
		w.pass(time.Second)
		undone := errors.New("undone")
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			exec := db.Q(ctx).Exec("UPDATE clients SET first_used_at = 1 WHERE id = 'app'")
			ok(t, exec.Error)
			if must[identity.Client](t)(db.ClientByID(ctx, "app")).FirstUsedAt.IsZero() {
				t.Error("a transaction does not see its own write")
			}
			return undone
		})
		if !errors.Is(err, undone) || !must[identity.Client](t)(db.ClientByID(t.Context(), "app")).FirstUsedAt.IsZero() {
			t.Error("what was rolled back stayed in the cache")
		}
	})
}

// spoil changes everything that a client points to.
func spoil(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Struct:
			if _, isTime := f.Interface().(time.Time); !isTime {
				spoil(f)
			}
		case reflect.Slice:
			reflect.Swapper(f.Interface())(0, f.Len()-1)
			f.Index(0).SetZero()
		case reflect.Pointer:
			f.Elem().SetZero()
		default: // a value of its own
		}
	}
}

func TestClientCache_callersShareNothing(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		want := everyField(w.Now())
		ok(t, db.CreateClient(t.Context(), want))
		w.pass(time.Second)
		for range 3 { // what was put in, and what is taken out
			got := must[identity.Client](t)(db.ClientByID(t.Context(), want.ID))
			same(t, want, got)
			spoil(reflect.ValueOf(&got).Elem())
		}
	})
}

func TestClientCache_isBounded(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t, storage.SQLite)
	for i := range storage.MaxClients + 10 {
		ok(t, db.ConfirmRegistrationToken(t.Context(), fmt.Sprint(i), []byte("none")))
	}
	if n := db.CachedClients(); n > storage.MaxClients || n == 0 {
		t.Errorf("%d entries, want at most %d", n, storage.MaxClients)
	}
}

// traced opens a database whose statements are noted, with a clock that stands still.
func traced(t *testing.T, kind string) (*storage.DB, *watch, *statements) {
	t.Helper()
	w, asked := &watch{}, &statements{}
	w.pass(time.Hour)
	db := must[*storage.DB](t)(storage.Open(t.Context(), storagetest.DSN(t, kind), storage.Options{Now: w.Now, Trace: asked.note}))
	t.Cleanup(func() { ok(t, db.Close()) })
	ok(t, db.CreateClient(t.Context(), identity.Client{ID: "app"}))
	w.pass(time.Second)
	return db, w, asked
}

func TestClientCache_manyAtOnceReadOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db, w, asked := traced(t, kind)
			for range 3 {
				w.pass(time.Second)
				asked.count("")
				if n := race(func(int) bool { return nameOf(t, db) == "" }); n < 16 {
					t.Errorf("%d got the client", n)
				}
				if reads, _ := asked.count("clients"); reads != 1 {
					t.Errorf("it was read %d times", reads)
				}
			}
		})
	}
}

// nobodyReads keeps everyone from reading clients until the function that it returns is called.
func nobodyReads(t *testing.T, db *storage.DB) (leave func()) {
	t.Helper()
	tx := db.Q(t.Context()).Begin()
	ok(t, tx.Exec("LOCK TABLE clients IN ACCESS EXCLUSIVE MODE").Error)
	return func() { ok(t, tx.Commit().Error) }
}

// waiting waits until so many statements wait for a lock.
func waiting(t *testing.T, db *storage.DB, n int64) {
	t.Helper()
	for must[int64](t)(db.Waits(t.Context())) < n {
		time.Sleep(time.Millisecond)
	}
}

func TestClientCache_whoHangsUpTakesNobodyWithHim(t *testing.T) {
	t.Parallel()
	db, _, asked := traced(t, storage.Postgres)
	asked.count("")
	leave := nobodyReads(t, db)
	first, hangUp := context.WithCancel(t.Context())
	gone, rest := make(chan error), make(chan error)
	go func() { _, err := db.ClientByID(first, "app"); gone <- err }()
	waiting(t, db, 1)
	go func() { _, err := db.ClientByID(t.Context(), "app"); rest <- err }()
	hangUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who hung up got %v", err)
	}
	leave()
	if err := <-rest; err != nil {
		t.Errorf("who waited got %v", err)
	}
	if reads, _ := asked.count("SELECT * FROM"); reads != 1 {
		t.Errorf("it was read %d times", reads)
	}
}

func TestClientCache_nobodyJoinsAReadFromBeforeAWrite(t *testing.T) {
	t.Parallel()
	db, w, _ := traced(t, storage.Postgres)
	leave := nobodyReads(t, db)
	before := make(chan string)
	go func() { before <- nameOf(t, db) }()
	waiting(t, db, 1)
	db.DropClient("app") // as a write does
	w.pass(time.Second)
	after := make(chan string)
	go func() { after <- nameOf(t, db) }()
	waiting(t, db, 2) // it asks for itself
	leave()
	<-before
	<-after
}
