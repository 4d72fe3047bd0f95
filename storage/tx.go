package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gorm.io/gorm"
)

// tx is one transaction under way. It belongs to the goroutine that began it.
type tx struct {
	db   *gorm.DB
	doom error // why it must not commit

	committed []func() // what to do once it did
}

// txKey finds the transaction of one database in a context.
type txKey struct{ d *DB }

func (d *DB) carried(ctx context.Context) *tx {
	t, _ := ctx.Value(txKey{d}).(*tx)
	return t
}

// InTx runs fn in one transaction, which travels in fn's ctx: commit when fn returns nil, otherwise roll back, also when fn
// panics. Inside another InTx it joins that one, and a joined one that fails dooms it: the outer InTx rolls back and
// returns that failure even if its own fn returns nil. A refusal that must be remembered therefore leaves by a
// variable, not by an error. fn's own error comes back as it is.
func (d *DB) InTx(ctx context.Context, fn func(context.Context) error) error {
	if t := d.carried(ctx); t != nil {
		return t.join(ctx, fn)
	}
	begun := d.base.WithContext(ctx).Begin()
	if begun.Error != nil {
		return d.fail("begin transaction", begun.Error)
	}
	t := &tx{db: begun}
	if err := d.limit(begun); err != nil {
		return errors.Join(d.fail("begin transaction", err), t.rollback())
	}
	done := false
	defer func() {
		if !done { // fn panicked: give the connection back and let the panic go on
			_ = t.rollback()
		}
	}()
	err := t.join(context.WithValue(ctx, txKey{d}, t), fn)
	done = true
	if t.doom != nil {
		return errors.Join(t.verdict(err), d.fail("roll back", t.rollback()))
	}
	if err := t.commit(ctx); err != nil {
		return d.fail("commit", err)
	}
	for _, do := range t.committed {
		do()
	}
	return nil
}

// limit gives a transaction through a pooler the limits that sessions of our own begin with.
func (d *DB) limit(begun *gorm.DB) error {
	if !d.Pooled() || len(d.link.moods) == 0 {
		return nil
	}
	return begun.Exec(d.link.moods.local()).Error
}

// afterCommit does something once what ctx carries has been committed, or at once where it carries no transaction. A
// transaction that rolls back forgets it.
func (d *DB) afterCommit(ctx context.Context, do func()) {
	if t := d.carried(ctx); t != nil {
		t.committed = append(t.committed, do)
		return
	}
	do()
}

// join runs fn as a part of t: unless it returns nil, t will not commit.
func (t *tx) join(ctx context.Context, fn func(context.Context) error) error {
	done := false
	defer func() {
		if !done && t.doom == nil {
			t.doom = errors.New("a part of it panicked")
		}
	}()
	err := fn(ctx)
	done = true
	if err != nil && t.doom == nil {
		t.doom = err
	}
	return err
}

// verdict is what InTx returns for a doomed transaction whose fn returned err.
func (t *tx) verdict(err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("rolled back, since a part of it failed: %w", t.doom)
}

func (t *tx) commit(ctx context.Context) error {
	err := t.db.Commit().Error
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		return ctx.Err() // database/sql rolled back when ctx ended, and says only that it is over
	}
	return err
}

// rollback gives the connection back; that it is over already is no failure.
func (t *tx) rollback() error {
	if err := t.db.Rollback().Error; !errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return nil
}
