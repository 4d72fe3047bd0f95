package anomaly

import (
	"context"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// decide answers a rule that is met: in one transaction, once within its window, whoever else comes to the same.
func (w *Watch) decide(ctx context.Context, r Rule, d identity.Decision) error {
	d.Rule, d.Threshold, d.Answer = r.Name, r.Threshold, r.Answer
	return w.o.Store.InTx(ctx, func(ctx context.Context) error {
		n, err := w.o.Store.CountDecisions(ctx, r.Name, d.At.Add(-time.Hour), r.Limit)
		if err != nil {
			return err
		}
		first, err := w.o.Store.Decide(ctx, d, r.Window)
		if err != nil || !first {
			return err
		}
		if n >= r.Limit && d.Answer != 0 {
			d.Answer, d.Held = 0, true
		}
		if err := w.answer(ctx, &d); err != nil {
			return err
		}
		return w.o.Store.AddEvent(ctx, d.Event())
	})
}

// answer does what is to be done but for telling, which the Event does. Who has no second factor can't be asked for one: they are told.
func (w *Watch) answer(ctx context.Context, d *identity.Decision) error {
	if d.Answer.Has(identity.AnswerAsk) {
		factors, err := w.o.Store.FactorsOf(ctx, d.UserID)
		if err != nil {
			return err
		}
		if len(factors) == 0 {
			d.Answer = d.Answer&^identity.AnswerAsk | identity.AnswerTell
		} else if err := w.o.Store.AskFactor(ctx, d.UserID); err != nil {
			return err
		}
	}
	if d.Answer.Has(identity.AnswerEnd) {
		_, err := w.o.Store.End(ctx, identity.Ending{Session: d.SessionID, Cause: identity.EndUnusual, Address: d.Address})
		return err
	}
	return nil
}

// Reason is why a rule is there, for operators; empty for one that is no more.
func (w *Watch) Reason(rule string) string {
	if w == nil {
		return ""
	}
	for _, r := range w.o.Rules {
		if r.Name == rule {
			return r.Reason
		}
	}
	return ""
}

// Told is what a person is told of a rule's decision: the signal, of which we have words, and the operator's own words where there are.
func (w *Watch) Told(rule string) (signal Signal, own string) {
	if w == nil {
		return "", ""
	}
	for _, r := range w.o.Rules {
		if r.Name == rule {
			return r.Signal, r.Told
		}
	}
	return "", ""
}
