// Package web is the pages for people: sign-in, sign-up, second factor, recovery, enrolment, consent, sign-out.
//
// Its one rule: a page proves or allows one thing and leads back to authorize, which alone decides what is still missing.
// What an app asked travels sealed in the field "next"; what a person proved is in the SignIn behind the cookie. No page
// depends on anything that could run out while it is open.
//
// It imports identity, mfa and templates, never oauth or admin: they meet in the domain and by URL.
package web
