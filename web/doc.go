// Package web is the pages for people: sign-in, sign-up, second factor, recovery, enrolment, consent, sign-out.
//
// Its one rule: a page proves or allows one thing and leads back to authorize, which alone decides what is still missing.
// What an app asked travels sealed in the field "next"; what a person proved is in the SignIn behind the cookie. No page
// depends on anything that could run out while it is open. The pages of the person's own account decide that for
// themselves, and a page leads back to one of them in the same way when no app asks.
//
// It imports identity, mfa and templates, never oauth or admin: they meet in the domain and by URL.
package web
