// Package ops is what every oort process needs in order to be operated: flags
// with environment and config file behind them, one error line and an exit
// code, a log, an admin server, signals, and the build's own identity. It
// knows nothing of links or pushes, so that main is a table of commands.
//
// A command is a struct with kong tags and a method Run. Run may ask, by its
// parameters, for any of
//
//	context.Context   cancelled by the first SIGINT or SIGTERM
//	io.Reader         standard input
//	io.Writer         standard output
//	*slog.Logger      logs to standard error as --log-format and --log-level say
//	*slog.LevelVar    the level of that logger, to be changed while running
//
// and its struct may have, beside Run,
//
//	Examples() string   shown at the end of --help
//	Validate() error    checked before Run, and by `oort config check`
//
// # Where a value comes from
//
// The first that is set wins: the flag, the environment, the section of the
// command in the config file, the top of the config file, the default. The
// environment's name of --max-links is OORT_MAX_LINKS. In the file names are
// those of the flags:
//
//	log-format: json          # every command that has --log-format
//	comet:                    # only `oort comet`
//	  tcp: 0.0.0.0:3101
//	  logic: [10.0.0.1:3119, 10.0.0.2:3119]
//
// A name that no command has is an error with its line, as is a value that
// does not fit, in whichever section it stands. A flag with the tag `secret:""`
// is never printed, not in an error either.
package ops
