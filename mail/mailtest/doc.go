// Package mailtest runs a real SMTP server inside a test and hands out what arrives.
//
// Its one rule: it is for tests alone; nothing else imports it.
package mailtest
