#include "server/verify/calibration_text.h"

namespace ablate {

std::string_view CalibrationText() {
  static constexpr std::string_view kText =
      R"(The ferry left at six, twenty minutes late, with fog still lying over the harbour and most of its seats empty.
A boy in a yellow coat counted the buoys aloud until his grandmother asked him to count more quietly. On the
upper deck the cook leaned against the rail and drank his coffee; he had made this crossing some four thousand
times and still looked up whenever the lighthouse came out of the grey. Nobody spoke. When the engines slowed
for the narrow passage, the gulls that had followed the ship turned back together, as if they had agreed on it
the night before.

Berlin is the capital of Germany. Paris is the capital of France, and Rome is the capital of Italy. The
capital of Japan is Tokyo, the capital of Spain is Madrid, and the capital of Portugal is Lisbon. People in
Vienna speak German, people in Cairo speak Arabic, and people in Oslo speak Norwegian. Canada lies north of
the United States; Mexico lies south of them. The Nile flows through Egypt, the Danube through ten countries,
and the Thames through London.

When Mary and John went to the shop, John gave a bottle of milk to Mary. Then, when Susan and Peter came home
from school, Susan handed the letter to Peter. After Anna and Tom had finished dinner, Tom passed the keys to
Anna. While Robert and Emma were working at the library, Emma lent a book to Robert, and Robert promised to
bring it back on Monday.

"Did you lock the door?" she asked.
"I thought you had," he said. "You were the last one out."
"I was carrying the cake."
"Then it is open." He sighed, turned the car round in front of the bakery, and drove back through the rain.
The door was
open, of course. The cat sat in the hall and looked at them as if they were the ones who had been left
outside.

Method. Sixty seeds of each kind were laid on wet paper and kept in the dark at 18 degrees. Every morning at
nine we counted those whose root was longer than two millimetres and took them away. After twelve days 51 of
the 60 beans, 47 of the 60 peas and only 22 of the 60 lupins had come up. The difference between beans and
peas is what chance alone would often give; that between either and the lupins is not. We do not know why.
Perhaps the lupins were old, for the packet had no date. The trial should be done again with fresh seed, at
two temperatures, and by somebody who did not know which dish held which kind.

red stone river lamp paper green window horse bread silver cloud table. Again: red stone river lamp paper
green window horse bread silver cloud table. And once more, a little faster: red stone river lamp paper green
window horse bread silver cloud. One two three four five six seven eight nine ten. Ten nine eight seven six
five four three two one. Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday, Monday, Tuesday,
Wednesday, Thursday. January, February, March, April, May, June, July, August, September, October, November,
December.

To make the soup, cut two onions and a leek into thin rings and let them turn soft in butter, slowly, without
colour. Add three potatoes in small cubes, a litre of stock and a bay leaf. Cook for twenty-five minutes. Take
out the leaf, crush about half of the potatoes against the side of the pot, stir in a spoon of mustard, and
taste before you add salt: the stock has some already. It is better on the second day. Serve it with dark
bread.

In 1874 the town had 3,120 inhabitants, two mills and one school; by 1911 it had 11,480, a railway station, a
theatre and a strike. The war of 1914 took the mills' young men, and the peace that came after it took the
mills. What remained was the school, which a teacher called Hanna Brandt kept open for thirty-one years, at
first in the station's waiting room and later in the theatre, where the older children sat in the boxes. She
left no diary. We know of her from the roll, in which, beside every name, she noted what the child was good
at. There is no name without a note.

def area(width, height):
    if width < 0 or height < 0:
        raise ValueError("sides are not negative")
    return width * height

print(area(3, 4))  # 12

The committee shall meet at least four times in each year. A meeting may be called by the chair, or by any
three members who write to the chair and say why. No decision is valid unless more than half of the members
are present; where the votes are equal, the proposal falls. Minutes shall be kept, and shall be open to every
member within fourteen days. If the chair is absent, the oldest member present takes the chair. If the
treasurer is absent, no money may be spent.

The sun had gone behind the ridge, but the rock was warm, and they stayed. Below them the valley filled with
blue from the bottom up, like a glass. "How far is it to the hut?" "An hour, if we find the path. Two, if we
are proud." They laughed. The truth was that neither of them wanted to be the first to stand up. Somewhere a
stone came loose and fell for a long time. Then the first lights went on, one by one by one, and the river,
which they had not heard all day, could suddenly be heard, as though someone had opened a door.

Dear Mr. Okafor, thank you for your letter of the third of May. We are sorry that the lamp arrived broken. A
new one was sent to you today and should reach you before the end of next week; please keep the old one until
our driver comes for it. You need not pay for anything. If you would rather have your money back, write one
line to this address. Yours sincerely, the workshop.

A triangle with sides of three, four and five has a right angle, because nine and sixteen make twenty-five. A
triangle with sides of five, twelve and thirteen has one too, because twenty-five and one hundred and forty-
four make one hundred and sixty-nine. A triangle with sides of four, five and six has none. The larger the
number, the rarer the square: below one hundred there are nine of them, below ten thousand there are ninety-
nine, below one million nine hundred and ninety-nine.

The old dog slept in the doorway, the young dog slept on the sofa, and the cat slept wherever the sun was. At
noon the old dog got up, walked to the gate, looked at the road, and walked back. At noon of the next day the
old dog got up, walked to the gate, looked at the road, and walked back. At noon of the day after that a car
stopped, and the old dog, who had never been in any hurry, ran.)";
  return kText;
}

}  // namespace ablate
