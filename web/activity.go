package web

import (
	"context"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

const (
	maxActivity = 20
	// maxRead is how many Events are read for these: apps that ask twice on bad networks make many that are left out.
	maxRead = 200
)

// activity is what happened to a person lately, as they would tell it.
func (p *Pages) activity(ctx context.Context, userID identity.ID) (all []templates.Happening, err error) {
	events, err := p.Store.EventsOf(ctx, userID, maxRead)
	if err != nil {
		return nil, err
	}
	known, told := clients{}, map[templates.Happening]bool{}
	for _, e := range events {
		if len(all) == maxActivity {
			break
		}
		if e.Kind == identity.SessionForked { // daily business of bad networks, which would hide the rest
			continue
		}
		h, err := p.happening(ctx, known, e)
		if err != nil {
			return nil, err
		}
		if told[h] { // ending everything at once makes many that say the same
			continue
		}
		told[h] = true
		h.When.Now = p.Now()
		all = append(all, h)
	}
	return all, nil
}

func (p *Pages) happening(ctx context.Context, known clients, e identity.Event) (templates.Happening, error) {
	c, err := p.client(ctx, known, e.ClientID)
	return templates.Happening{
		Kind: string(e.Kind), Detail: e.Detail, App: called(c), Operator: e.Actor != "",
		When: templates.Moment{At: e.At},
	}, err
}
