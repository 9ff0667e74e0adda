#include "coordinator/config/csv.h"

#include <array>

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

std::vector<Row> rows_of_table(std::string_view text) {
  constexpr std::array<std::string_view, 2> kColumns = {"video", "path"};
  auto reader = CsvReader::of_table(text, kColumns);
  std::vector<Row> rows;
  for (;;) {
    auto row = reader.next();
    if (!row.ok()) return {{row.status().message()}};
    if (!*row) return rows;
    rows.push_back(**row);
  }
}

TEST(Csv, ATablesSeparatorIsFoundByItsHeader) {
  EXPECT_THAT(rows_of_table("video;seed\na,b;7\n"),
              ElementsAre(Row{"video", "seed"}, Row{"a,b", "7"}));
  EXPECT_THAT(rows_of_table("\n seed\t\"Video\"\n7\ta;b\n"),
              ElementsAre(Row{" seed", "Video"}, Row{"7", "a;b"}));
  EXPECT_THAT(rows_of_table("video,a;b;c\nx,y\n"),
              ElementsAre(Row{"video", "a;b;c"}, Row{"x", "y"}));
  EXPECT_THAT(rows_of_table("vidoe;seed\na;7\n"), ElementsAre(Row{"vidoe", "seed"}, Row{"a", "7"}));
  EXPECT_THAT(rows_of_table("video\na;b\n"), ElementsAre(Row{"video"}, Row{"a;b"}));
  EXPECT_THAT(rows_of_table(""), ElementsAre());
}

TEST(Csv, AFirstLineMayNameTheSeparatorAsExcelWritesIt) {
  EXPECT_THAT(rows_of_table("sep=|\r\nvideo|seed\r\na|7\r\n"),
              ElementsAre(Row{"video", "seed"}, Row{"a", "7"}));
  constexpr std::array<std::string_view, 1> kColumns = {"video"};
  auto reader = CsvReader::of_table("SEP=;\nvideo;seed\n", kColumns);
  ASSERT_TRUE(reader.next().ok());
  EXPECT_EQ(reader.line(), 2);
  EXPECT_THAT(rows_of_table("sep=;"), ElementsAre());
}

TEST(Csv, BadQuotesAreErrors) {
  EXPECT_THAT(rows_of("a,\"b"), ElementsAre(Row{"a quote is opened and never closed"}));
  EXPECT_THAT(rows_of("\"a\"b"), ElementsAre(Row{"text follows a closing quote"}));
}

}  // namespace
}  // namespace mimicfleet::coordinator
