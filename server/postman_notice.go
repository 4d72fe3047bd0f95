package server

import (
	"context"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// notices are the mails of Events that a person is told of (identity.Event.Mailed).
var notices = map[identity.EventKind]templates.Notice{
	identity.NewBrowser:       templates.NoticeNewBrowser,
	identity.PasswordChanged:  templates.NoticePasswordChanged,
	identity.PasswordReset:    templates.NoticePasswordReset,
	identity.EmailChanged:     templates.NoticeAddressChanged,
	identity.FactorAdded:      templates.NoticeFactorAdded,
	identity.FactorRemoved:    templates.NoticeFactorRemoved,
	identity.RecoveryCodeUsed: templates.NoticeCodeUsed,
	identity.RecoveryRenewed:  templates.NoticeCodesRenewed,
	identity.SessionEnded:     templates.NoticeReuse, // mailed for EndReuse alone
}

// notice tells a person, at the address that they have now, of what happened.
func (p *postman) notice(ctx context.Context, e identity.Event, user identity.User) (addressed, error) {
	n := templates.NoticeMail{
		MailFrame: p.frame, Notice: notices[e.Kind], At: e.At, Network: networkOf(e.Address), Place: p.place(e.Address),
	}
	var err error
	switch e.Kind {
	case identity.NewBrowser:
		n.Browser = e.Detail
	case identity.RecoveryCodeUsed:
		n.CodesLeft, err = p.db.RecoveryCodesLeft(ctx, user.ID)
	case identity.SessionEnded:
		n.App, n.Device, err = p.whatEnded(ctx, e)
	default: // says enough by itself
	}
	if err != nil {
		return addressed{}, err
	}
	n.NotMe, err = p.notMe(ctx, user)
	return addressed{user.Email, n}, err
}

// whatEnded names the app of a Session, and the device as the app describes it; empty is what nobody knows any more.
func (p *postman) whatEnded(ctx context.Context, e identity.Event) (app, device string, err error) {
	c, err := p.db.ClientByID(ctx, e.ClientID)
	if err != nil && identity.KindOf(err) != identity.NotFound {
		return "", "", err
	}
	s, err := p.db.SessionByID(ctx, e.SessionID)
	if err != nil && identity.KindOf(err) != identity.NotFound {
		return "", "", err
	}
	device = s.Device.Name
	if s.Device.Model != "" {
		device = strings.TrimSpace(device + " (" + s.Device.Model + ")")
	}
	return c.Name, device, nil
}

// networkOf is identity.Network of an address that there may not be.
func networkOf(address string) string {
	if address == "" {
		return ""
	}
	return identity.Network(address)
}
