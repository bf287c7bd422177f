// Package logic knows who is where: it lets links in, keeps their sessions,
// accepts pushes and hands them to a [Publisher].
//
// The package is the core and imports neither gRPC nor Redis nor Kafka. What
// it needs from outside it declares as small interfaces ([Store], [Registry],
// [Publisher], [Authenticator], [Receiver]); the packages beside it implement
// them:
//
//	logic/session   sessions and leases, in memory and on Redis
//	logic/publish   pushes into Kafka
//	logic/auth      open, JWT and HTTP-callback authentication
//	logic/balance   the order in which clients should try the comets
//	logic/rpc       the service that comets and jobs call by gRPC
//	logic/httpapi   goim's HTTP API and /v1
package logic
