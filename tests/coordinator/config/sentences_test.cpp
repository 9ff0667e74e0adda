#include "coordinator/config/sentences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

TEST(Sentences, AreListsOfWordsSeparatedByBlanks) {
  const auto sentences = parse_sentences(
      "\xef\xbb\xbfsentence_id,text,ref_ids\r\ns1,\"Hello, friend\",hello  friend\n\ns2,,a/b",
      "s.csv");
  ASSERT_TRUE(sentences.ok()) << sentences.status();
  ASSERT_THAT(*sentences, SizeIs(2));
  EXPECT_EQ((*sentences)[0].id, "s1");
  EXPECT_THAT((*sentences)[0].words, ElementsAre("hello", "friend"));
  EXPECT_EQ((*sentences)[1].where, "s.csv: line 4");
  EXPECT_THAT((*sentences)[1].words, ElementsAre("a/b"));
}

TEST(Sentences, WhatIsWrongIsNamedWithItsLine) {
  const auto error = [](const std::string& text) {
    return parse_sentences(text, "s.csv").status().message();
  };
  const std::string header = "sentence_id,ref_ids\n";
  EXPECT_EQ(
      error("id,words\n"),
      "s.csv: line 1: the first line must name the columns, sentence_id and ref_ids among them");
  EXPECT_EQ(error(header), "s.csv: lists no sentences");
  EXPECT_EQ(error(header + "s1,a\ns1,b\n"),
            "s.csv: line 3: the sentence_id s1 is there already (s.csv: line 2)");
  EXPECT_EQ(error(header + "s1,\n"), "s.csv: line 2: s1 has no words (ref_ids)");
  EXPECT_EQ(error(header + "../x,a\n"),
            "s.csv: line 2: the sentence_id '../x' cannot be a file's name");
  EXPECT_EQ(error(header + "s1\n"), "s.csv: line 2: has 1 cells, the header 2");
  EXPECT_EQ(error(header + "s 1,a\n"), "s.csv: line 2: the sentence_id must be one word");
  EXPECT_EQ(error(header + "\"s1,a\n"), "s.csv: line 2: a quote is opened and never closed");
  EXPECT_EQ(
      error("Sentence_ID;ref_ids\ns1;a\n"),
      "s.csv: line 1: the first line must name the columns, sentence_id and ref_ids among them; "
      "'Sentence_ID' is none: did you mean 'sentence_id'?");
}

TEST(Sentences, MayBeSeparatedBySemicolonsOrTabs) {
  for (const std::string_view text : {"sentence_id;text;ref_ids\ns1;a, b;hello friend\n",
                                      "sentence_id\ttext\tref_ids\ns1\ta, b\thello friend\n"}) {
    const auto sentences = parse_sentences(text, "s.csv");
    ASSERT_TRUE(sentences.ok()) << sentences.status();
    EXPECT_THAT(sentences->at(0).words, ElementsAre("hello", "friend"));
  }
}

TEST(Sentences, EmptyRowsArePassedOverAndColumnsThatAreThereTwiceRefused) {
  const auto sentences = parse_sentences("sentence_id;ref_ids\ns1;a b\n;\n ; \n", "s.csv");
  ASSERT_TRUE(sentences.ok()) << sentences.status();
  EXPECT_EQ(sentences->size(), 1U);
  EXPECT_EQ(parse_sentences("sentence_id,ref_ids,ref_ids\ns1,a,b\n", "s.csv").status().message(),
            "s.csv: line 1: the column 'ref_ids' is there twice");
}

}  // namespace
}  // namespace mimicfleet::coordinator
