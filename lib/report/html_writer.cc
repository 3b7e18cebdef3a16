#include "report/html_writer.h"

#include <string_view>

#include "report/html_page.h"
#include "report/json_writer.h"
#include "report/markup.h"
#include "report/text_writer.h"

namespace scry::report {
namespace {

// Inside <script>: no tag or comment can begin. JSON reads the escape back.
std::string ForScript(std::string_view json) {
  std::string out;
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

std::string ForText(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const std::string_view entity = EntityOf(c);
    if (entity.empty()) {
      out += c;
    } else {
      out += entity;
    }
  }
  return out;
}

}  // namespace

std::string WriteHtml(const Report& report) {
  TextOptions text;
  text.plans = true;
  std::string page =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      // Nothing is fetched and nothing is sent, whatever a name in the database says.
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action "
      "'none'\">\n"
      "<title>scry</title>\n<style>\n";
  page += kPageCss;
  page +=
      "</style>\n</head>\n<body data-loading>\n<a class=\"skip\" href=\"#main\">to the "
      "findings</a>\n"
      "<header class=\"top\"></header>\n<main id=\"main\" "
      "tabindex=\"-1\"></main>\n<footer></footer>\n"
      "<noscript><pre>\n";
  page += ForText(WriteText(report, text));
  page += "</pre></noscript>\n<script type=\"application/json\" id=\"report\">\n";
  page += ForScript(WriteJson(report));
  page += "</script>\n<script>\n";
  page += kPageJs;
  page += "</script>\n</body>\n</html>\n";
  return page;
}

}  // namespace scry::report
