package web

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/templates"
)

// The pages' addresses, and where each of them leads back to.
const (
	signInPath   = "/signin"
	totpPath     = "/signin/totp"
	recoveryPath = "/signin/recovery"
	signUpPath   = "/signup"
	registerPath = "/register"
	// registrationPath is where programs manage what is registered; an id follows.
	registrationPath = "/oauth2/register/"
	accountPath      = "/account"
	devicesPath      = "/account/devices"
	appsPath         = "/account/apps"
	securityPath     = "/account/security"
	namePath         = "/account/name"
	codesPath        = "/account/codes"
	emailPath        = "/account/email"
	askVerifyPath    = "/account/verify"
	forgotPath       = "/forgot"
	resetPath        = "/reset"
	verifyPath       = "/verify"
	confirmPath      = "/confirm"
	addressPath      = "/email"
	notMePath        = "/not-me"
	removePath       = "/account/totp/remove"
	enrolPath        = "/account/totp"
	replacePath      = "/account/totp/replace"
	replacedPath     = "/account/totp/replaced"
	savePath         = "/account/totp/codes"
	newPhonePath     = "/account/totp/new"
	deskPath         = "/account/desk"
	consentPath      = "/consent"
	signOutPath      = "/signout"
	logoPath         = "/logo/"
	authorizePath    = "/oauth2/authorize"
	discoveryPath    = "/.well-known/openid-configuration"
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
	get(registerPath, p.showRegister)
	post(registerPath, p.submitRegister)
	get(enrolPath, p.showEnrol)
	post(enrolPath, p.submitEnrol)
	get(replacePath, p.showReplace)
	post(replacePath, p.submitReplace)
	get(replacedPath, p.showReplaced)
	get(savePath, p.showSave)
	post(savePath, p.submitSave)
	get(newPhonePath, p.showNewPhone)
	get(accountPath, p.account(accountPath, p.showAccount))
	get(devicesPath, p.account(devicesPath, p.showDevices))
	post(devicesPath, p.account(devicesPath, p.submitDevices))
	get(appsPath, p.account(appsPath, p.showApps))
	post(appsPath, p.account(appsPath, p.submitApps))
	get(securityPath, p.account(securityPath, p.showSecurity))
	post(securityPath, p.account(securityPath, p.submitSecurity))
	get(removePath, func(w http.ResponseWriter, r *http.Request) error { return see(w, r, securityPath) }) // a restored tab
	post(removePath, p.account(securityPath, p.fresh(p.removeTOTP)))
	get(namePath, p.account(namePath, p.showName))
	post(namePath, p.account(namePath, p.submitName))
	get(codesPath, p.account(codesPath, p.fresh(p.showCodes)))
	post(codesPath, p.account(codesPath, p.submitCodes))
	get(deskPath, p.desk(p.showDesk))
	post(deskPath, p.desk(p.submitDesk))
	p.mailRoutes(get, post)
	get(consentPath, p.showConsent)
	post(consentPath, p.submitConsent)
	get(signOutPath, p.showSignOut)
	post(signOutPath, p.submitSignOut)
	get(logoPath+"{client}", p.showLogo)
	get(logoPath, p.showLogo)
	r.PathPrefix("/static/").Handler(templates.Static())
}

// mailRoutes mounts what only makes sense where mail can be sent.
func (p *Pages) mailRoutes(get, post func(path string, h page)) {
	get(forgotPath, p.byMail(p.showForgot))
	post(forgotPath, p.byMail(p.submitForgot))
	get(resetPath, p.byLink(p.showReset))
	post(resetPath, p.byLink(p.submitReset))
	get(verifyPath, p.byLink(p.showVerify))
	post(verifyPath, p.byLink(p.submitVerify))
	get(confirmPath, p.toSignIn) // a restored tab
	post(confirmPath, p.byMail(p.askConfirm))
	get(addressPath, p.byLink(p.showAddressChange))
	post(addressPath, p.byLink(p.submitAddressChange))
	get(notMePath, p.byLink(p.showNotMe))
	post(notMePath, p.byLink(p.submitNotMe))
	get(emailPath, p.byMail(p.account(emailPath, p.fresh(p.showNewEmail))))
	post(emailPath, p.byMail(p.account(emailPath, p.fresh(p.submitNewEmail))))
	get(askVerifyPath, p.toSignIn) // a restored tab
	post(askVerifyPath, p.byMail(p.account(securityPath, p.askVerify)))
}
