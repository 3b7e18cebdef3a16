#include "replay/sample.h"

#include <algorithm>

namespace scry::replay {

size_t WeightBytes(const Sample& sample) {
  size_t bytes = sizeof(Sample) + sample.text.size();
  for (const auto& [name, value] : sample.session.parameters) bytes += name.size() + value.size();
  for (const auto& [name, value] : sample.session.settings) bytes += name.size() + value.size();
  for (const event::FrontendMessage& message : sample.messages) {
    bytes += sizeof(message) + message.size();
  }
  for (const SettingStatement& setting : sample.settings) {
    bytes += sizeof(setting) + setting.text.size();
    for (const event::FrontendMessage& message : setting.messages) bytes += message.size();
  }
  return bytes;
}

size_t UsualOf(const std::vector<Sample>& samples) {
  const auto accustomed = [](const Sample& sample) { return sample.accustomed(); };
  const auto count = std::count_if(samples.begin(), samples.end(), accustomed);
  if (static_cast<size_t>(count) * 2 <= samples.size()) return 0;
  return static_cast<size_t>(std::find_if(samples.begin(), samples.end(), accustomed) -
                             samples.begin());
}

}  // namespace scry::replay
