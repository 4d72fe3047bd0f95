// Package mfa holds second factors and their rules: time-based one-time codes (TOTP, RFC 6238), and the recovery codes
// that stand in for whatever factor a person has. What the rest of the program knows of a kind is identity.Factor.
//
// Its one rule: a code proves something once. It is judged and used up in one transaction, a wrong one is counted before
// it is judged, and what was counted stays counted although the caller gets an error.
//
// It imports identity only. HTML and HTTP belong to web, rows to storage; pquerna/otp and the QR encoder live here.
package mfa
