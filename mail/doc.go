// Package mail sends one plain mail at a time, over SMTP or to a writer.
//
// Its one rule: what it is given is data. No address, subject or text of a mail can become a header, and no error repeats
// what a mail says, since that may hold a link.
//
// It must not import anything of ours. It is the home of go-mail.
package mail
