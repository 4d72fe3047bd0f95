// Package admin is the management API: JSON for the programs and people who run the service.
//
// Its one rule: an operation is a query, one call into the domain or the list that was asked for, and a view of what came.
// The commands of the program make the same calls and print the same views. Whoever acts is named in every Event, so
// nothing is served without an admin token but the description of the API itself.
//
// It must not import oauth or web. It knows no cookie and allows no other origin: browsers are not its callers.
package admin
