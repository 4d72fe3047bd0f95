package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// showDevices serves GET /account/devices.
func (p *Pages) showDevices(w http.ResponseWriter, r *http.Request, v visit) error {
	page, err := p.devicesPage(r.Context(), v)
	if err != nil {
		return err
	}
	page.Notice = notice(r)
	return templates.Show(w, http.StatusOK, page)
}

// submitDevices serves POST /account/devices: it ends one Session (sid), one browser (signin) or everything else
// (others).
func (p *Pages) submitDevices(w http.ResponseWriter, r *http.Request, v visit) error {
	said, err := p.endDevice(r, v)
	if identity.KindOf(err) == identity.NotFound {
		page, pageErr := p.devicesPage(r.Context(), v)
		if pageErr != nil {
			return pageErr
		}
		page.Form = own(err)
		return p.showAgain(w, err, page)
	}
	if err != nil {
		return err
	}
	return see(w, r, noticed(devicesPath, said))
}

func (p *Pages) endDevice(r *http.Request, v visit) (said templates.Sentence, err error) {
	ctx, from := r.Context(), v.standing.From(seen(r))
	switch {
	case r.PostFormValue("others") != "":
		err = p.Devices.EndOthers(ctx, from)
		return templates.OthersEnded, err
	case r.PostFormValue("signin") != "":
		return templates.DeviceEnded, p.Devices.EndBrowser(ctx, from, idFrom(r.PostFormValue("signin")))
	}
	id := idFrom(r.PostFormValue("sid"))
	err = p.Devices.End(ctx, from, id)
	if identity.KindOf(err) == identity.NotFound { // one press too many does no harm
		past, pastErr := p.past(ctx, v)
		if slices.ContainsFunc(past, func(s identity.Session) bool { return s.ID == id }) {
			err = pastErr
		}
	}
	return templates.DeviceEnded, err
}

// idFrom reads an id, or returns the zero one, which nothing has.
func idFrom(text string) identity.ID {
	id, err := uuid.Parse(text)
	if err != nil {
		return identity.ID{}
	}
	return id
}

const (
	maxListed = 100
	maxPast   = 20
	pastFor   = 30 * 24 * time.Hour
)

func (p *Pages) past(ctx context.Context, v visit) ([]identity.Session, error) {
	return p.Store.SessionsPast(ctx, v.standing.User.ID, p.Now().Add(-pastFor), maxPast)
}

func (p *Pages) devicesPage(ctx context.Context, v visit) (templates.Devices, error) {
	user, known := v.standing.User.ID, clients{}
	page := templates.Devices{Frame: p.frame(v), SignOutAction: signOutPath}
	sessions, err := p.Store.FindSessions(ctx, identity.SessionQuery{UserID: user, Limit: maxListed + 1})
	if err != nil {
		return page, err
	}
	browsers, err := p.Store.BareSignIns(ctx, user, maxListed+1)
	if err != nil {
		return page, err
	}
	if v.all, err = p.Store.Resources(ctx); err != nil {
		return page, err
	}
	for _, s := range sessions {
		app, err := p.client(ctx, known, s.Session.ClientID)
		if err != nil {
			return page, err
		}
		page.Devices = append(page.Devices, p.device(v, s.Session, app))
	}
	for _, s := range browsers {
		page.Devices = append(page.Devices, p.browser(v, s))
	}
	slices.SortStableFunc(page.Devices, byUse)
	if page.More = len(page.Devices) > maxListed; page.More {
		page.Devices = page.Devices[:maxListed]
	}
	page.Past, err = p.pastDevices(ctx, v, known)
	return page, err
}

// byUse puts what the person looks at first, then what was used last.
func byUse(a, b templates.Device) int {
	switch {
	case a.This == b.This:
		return b.Last.At.Compare(a.Last.At)
	case a.This:
		return -1
	}
	return 1
}

func (p *Pages) device(v visit, s identity.Session, c identity.Client) templates.Device {
	d := templates.Device{
		Machine: appOn(s), App: c.Called(), Version: s.Device.AppVersion, Address: s.Address,
		Place: p.Place(s.Address),
		First: p.moment(s.CreatedAt), Last: p.moment(s.LastUsedAt), Authenticator: s.AMR.Has(identity.MFA),
		This: s.SignInID == v.standing.SignIn.ID, Field: "sid", ID: s.ID.String(), Connected: c.SelfRegistered,
	}
	if d.Connected {
		d.Scopes, d.Places = v.may(s, c)
	}
	return d
}

// may is what an app may do with a Session: here, and at resources in the words of who runs them.
func (v visit) may(s identity.Session, c identity.Client) (here []string, there []templates.Place) {
	var at []identity.Resource
	for _, mark := range s.Resources {
		if r, ok := v.all.Granted(c, mark); ok {
			at = append(at, r)
		}
	}
	return besides(at, s.Scopes), places(at, s.Scopes, v.languages)
}

// browser is a browser in which the account is open and no app.
func (p *Pages) browser(v visit, s identity.SignIn) templates.Device {
	return templates.Device{
		Machine: machine(identity.Device{}, s.UserAgent), Browser: true, Address: s.Address, Place: p.Place(s.Address),
		First: p.moment(s.CreatedAt), Last: p.moment(s.LastUsedAt), Authenticator: s.AMR.Has(identity.MFA),
		This: s.ID == v.standing.SignIn.ID, Field: "signin", ID: s.ID.String(),
	}
}

func (p *Pages) pastDevices(ctx context.Context, v visit, known clients) (all []templates.PastDevice, err error) {
	past, err := p.past(ctx, v)
	if err != nil {
		return nil, err
	}
	for _, s := range past {
		c, err := p.client(ctx, known, s.ClientID)
		if err != nil {
			return nil, err
		}
		cause, at, _ := s.Ending(p.Now())
		all = append(all, templates.PastDevice{
			Machine: appOn(s), App: c.Called(), Cause: string(cause), Ended: p.moment(at),
		})
	}
	return all, nil
}

func (p *Pages) moment(at time.Time) templates.Moment { return templates.Moment{At: at, Now: p.Now()} }
