// One subcommand: adds itself to the parser, and runs when it was chosen.
#pragma once

#include <functional>
#include <string>

#include "exit_status.h"
#include "terminal.h"

namespace CLI {
class App;
}

namespace scry::app {

using Action = std::function<ExitStatus()>;

// What the command line chose. Each Add... function stores its action when its subcommand was
// given.
struct Chosen {
  CommonOptions common;
  Action action;
};

void AddCaptureCommand(CLI::App& app, Chosen& chosen);
void AddLogCommand(CLI::App& app, Chosen& chosen);
void AddShadowCommand(CLI::App& app, Chosen& chosen);
void AddReplayCommand(CLI::App& app, Chosen& chosen);
void AddCiCommand(CLI::App& app, Chosen& chosen);
void AddDetectCommand(CLI::App& ci, Chosen& chosen);  // Of `scry ci`.
void AddReportCommand(CLI::App& app, Chosen& chosen);
void AddDemoCommand(CLI::App& app, Chosen& chosen);
void AddDoctorCommand(CLI::App& app, Chosen& chosen);

// True once Ctrl-C or SIGTERM came.
bool Interrupted();

}  // namespace scry::app
