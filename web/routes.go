package web

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/templates"
)

// The pages' addresses, and where each of them leads back to.
const (
	signInPath    = "/signin"
	totpPath      = "/signin/totp"
	recoveryPath  = "/signin/recovery"
	signUpPath    = "/signup"
	enrolPath     = "/account/totp"
	consentPath   = "/consent"
	signOutPath   = "/signout"
	logoPath      = "/logo/"
	authorizePath = "/oauth2/authorize"
)

// Routes mounts every page.
func (p *Pages) Routes(r *mux.Router) {
	get := func(path string, h page) { r.Handle(path, p.page(h)).Methods(http.MethodGet) }
	post := func(path string, h page) { r.Handle(path, p.page(h)).Methods(http.MethodPost) }

	get("/", p.toSignIn)
	get(signInPath, p.showSignIn)
	post(signInPath, p.submitSignIn)
	get(totpPath, p.showTOTP)
	post(totpPath, p.submitTOTP)
	get(recoveryPath, p.showRecovery)
	post(recoveryPath, p.submitRecovery)
	get(signUpPath, p.showSignUp)
	post(signUpPath, p.submitSignUp)
	get(enrolPath, p.showEnrol)
	post(enrolPath, p.submitEnrol)
	get(consentPath, p.showConsent)
	post(consentPath, p.submitConsent)
	get(signOutPath, p.toSignIn) // a restored tab
	post(signOutPath, p.submitSignOut)
	get(logoPath+"{client}", p.showLogo)
	r.PathPrefix("/static/").Handler(templates.Static())
}
