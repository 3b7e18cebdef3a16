// Unguessable text from the kernel, for names of runs and socket folders, nonces and passwords.
// Any thread.
#pragma once

#include <cstddef>
#include <string>

namespace scry::os {

// `bytes` random bytes as 2 * bytes hex digits.
std::string RandomHex(size_t bytes);
// "20261120-131705-9f3ac1": sorts by time, unique in practice. From the wall clock, UTC.
std::string UniqueName();

}  // namespace scry::os
