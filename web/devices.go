package web

import (
	"net/http"
	"slices"

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
		_, err = p.Devices.EndOthers(ctx, from)
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
