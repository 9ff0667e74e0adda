#include "coordinator/config/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;

using Row = std::vector<std::string>;

std::vector<Row> rows_of(std::string_view text) {
  CsvReader reader(text);
  std::vector<Row> rows;
  for (;;) {
    auto row = reader.next();
    if (!row.ok()) return {{row.status().message()}};
    if (!*row) return rows;
    rows.push_back(**row);
  }
}

TEST(Csv, CellsMayBeQuotedAndLinesMayEndEitherWay) {
  EXPECT_THAT(rows_of("a,b\r\n\"x, y\",\"say \"\"hi\"\"\"\n,\n"),
              ElementsAre(Row{"a", "b"}, Row{"x, y", "say \"hi\""}, Row{"", ""}));
  EXPECT_THAT(rows_of("a\n\n\r\nb"), ElementsAre(Row{"a"}, Row{"b"}));
  EXPECT_THAT(rows_of(""), ElementsAre());
}

TEST(Csv, KnowsTheLineOfARowAlsoAfterALineBreakInACell) {
  CsvReader reader("a\n\"one\ntwo\"\nb\n");
  for (const int line : {1, 2, 4}) {
    ASSERT_TRUE(reader.next().ok());
    EXPECT_EQ(reader.line(), line);
  }
}

TEST(Csv, BadQuotesAreErrors) {
  EXPECT_THAT(rows_of("a,\"b"), ElementsAre(Row{"a quote is opened and never closed"}));
  EXPECT_THAT(rows_of("\"a\"b"), ElementsAre(Row{"text follows a closing quote"}));
}

}  // namespace
}  // namespace mimicfleet::coordinator
